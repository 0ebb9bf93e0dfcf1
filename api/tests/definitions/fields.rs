//! What may be in a field: necessity, defaults, bounds, words, rules, and who owns what.

use serde_json::{Value, json};

use crate::schema::{every_field, field, rows};

#[test]
fn fields_are_required_where_nothing_works_without_them() {
    let table = "
        IPAddressPool       .                                        spec
        IPAddressPool       spec                                     addresses
        IPAddressPool       status         assignedIPv4 assignedIPv6 availableIPv4 availableIPv6
        L2Advertisement     .
        L2Advertisement     spec
        L2Advertisement     spec.preferredNodeSelectors[]            preference weight
        L2Advertisement     spec.nodeSelectors[].matchExpressions[]  key operator
        BGPAdvertisement    .
        BGPAdvertisement    spec
        BGPPeer/v1beta2     .
        BGPPeer/v1beta2     spec                                     myASN
        BGPPeer/v1beta2     spec.passwordSecret
        BGPPeer/v1beta1     .
        BGPPeer/v1beta1     spec                                     myASN peerASN peerAddress
        BGPPeer/v1beta1     spec.nodeSelectors[]
        BGPPeer/v1beta1     spec.nodeSelectors[].matchExpressions[]  key operator values
        BFDProfile          .
        BFDProfile          spec
        Community           .
        Community           spec
        Community           spec.communities[]                       value
        ServiceL2Status     .
        ServiceL2Status     status
        ServiceL2Status     status.interfaces[]
        ServiceBGPStatus    .
        ServiceBGPStatus    status
        ConfigurationState  .
        ConfigurationState  status
        MetalLB             .
        MetalLB             spec
        MetalLB             status
        MetalLB             status.speakers      ready wanted
        MetalLB             status.conditions[]  lastTransitionTime message reason status type
    ";
    for row in rows(table) {
        let [kind, path, expected @ ..] = row.as_slice() else {
            panic!("{row:?}")
        };
        let schema = field(kind, path);
        let mut required: Vec<&str> = schema["required"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        required.sort_unstable();
        assert_eq!(required, expected, "{kind} {path}");
    }
}

#[test]
fn fields_that_were_left_out_get_the_documented_default_and_no_others_get_one() {
    let mut defaults = Vec::new();
    every_field(|path, schema| {
        if let Some(default) = schema.get("default") {
            defaults.push(format!("{path} = {default}"));
        }
    });
    let expected = [
        "IPAddressPool/v1beta1.spec.autoAssign = true",
        "IPAddressPool/v1beta1.spec.avoidBuggyIPs = false",
        "BGPAdvertisement/v1beta1.spec.aggregationLength = 32",
        "BGPAdvertisement/v1beta1.spec.aggregationLengthV6 = 128",
        "BGPPeer/v1beta2.spec.disableMP = false",
        "BGPPeer/v1beta2.spec.dualStackAddressFamily = false",
        "BGPPeer/v1beta2.spec.peerPort = 179",
    ];
    assert_eq!(defaults, expected);
}

#[test]
fn numbers_have_the_documented_bounds() {
    let table = "
        IPAddressPool     spec.serviceAllocation.priority       -   -           int64
        IPAddressPool     status.assignedIPv4                   -   -           int64
        IPAddressPool     status.availableIPv6                  -   -           int64
        L2Advertisement   spec.preferredNodeSelectors[].weight  1   100         int32
        BGPAdvertisement  spec.aggregationLength                1   32          int32
        BGPAdvertisement  spec.aggregationLengthV6              0   128         int32
        BGPAdvertisement  spec.localPref                        0   -           int32
        BGPPeer/v1beta2   spec.myASN                            0   4294967295  int64
        BGPPeer/v1beta2   spec.peerASN                          0   4294967295  int64
        BGPPeer/v1beta2   spec.localASN                         1   4294967295  int64
        BGPPeer/v1beta2   spec.peerPort                         1   16384       -
        BGPPeer/v1beta1   spec.myASN                            0   4294967295  int64
        BGPPeer/v1beta1   spec.peerASN                          0   4294967295  int64
        BGPPeer/v1beta1   spec.peerPort                         0   16384       -
        BFDProfile        spec.receiveInterval                  10  60000       int32
        BFDProfile        spec.transmitInterval                 10  60000       int32
        BFDProfile        spec.detectMultiplier                 2   255         int32
        BFDProfile        spec.echoInterval                     10  60000       int32
        BFDProfile        spec.minimumTtl                       1   254         int32
    ";
    for row in rows(table) {
        let [kind, path, minimum, maximum, format] = row[..] else {
            panic!("{row:?}")
        };
        let schema = field(kind, path);
        assert_eq!(schema["type"], "integer", "{kind} {path}");
        assert_eq!(schema["minimum"].as_f64(), minimum.parse().ok(), "{kind} {path}");
        assert_eq!(schema["maximum"].as_f64(), maximum.parse().ok(), "{kind} {path}");
        assert_eq!(schema["format"].as_str().unwrap_or("-"), format, "{kind} {path}");
    }
    assert_eq!(
        field(
            "BGPPeer/v1beta1",
            "spec.nodeSelectors[].matchExpressions[].values"
        )["minItems"],
        1
    );
}

#[test]
fn words_are_limited_to_the_documented_ones() {
    let condition_reason = "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$";
    let class = r"^([a-z0-9A-Z]([\w.\-]*[a-z0-9A-Z])?/)?[a-z0-9A-Z]([\w.\-]*[a-z0-9A-Z])?$";
    let table = [
        (
            "BGPPeer/v1beta2",
            "spec.dynamicASN",
            "enum",
            json!(["internal", "external"]),
        ),
        (
            "MetalLB",
            "spec.logLevel",
            "enum",
            json!(["all", "debug", "info", "warn", "error", "none"]),
        ),
        ("MetalLB", "spec.bgpBackend", "enum", Value::Null),
        ("MetalLB", "spec.loadBalancerClass", "pattern", json!(class)),
        (
            "MetalLB",
            "status.conditions[].reason",
            "pattern",
            json!(condition_reason),
        ),
        (
            "MetalLB",
            "status.conditions[].status",
            "enum",
            json!(["True", "False", "Unknown"]),
        ),
        (
            "ConfigurationState",
            "status.result",
            "enum",
            json!(["Valid", "Invalid", "Unknown"]),
        ),
        (
            "ConfigurationState",
            "status.conditions[].reason",
            "pattern",
            json!(condition_reason),
        ),
    ];
    for (kind, path, keyword, expected) in table {
        assert_eq!(field(kind, path)[keyword], expected, "{kind} {path}");
    }
}

#[test]
fn rules_between_fields_have_the_documented_text() {
    let mut rules = Vec::new();
    every_field(|path, schema| {
        for rule in schema["x-kubernetes-validations"]
            .as_array()
            .into_iter()
            .flatten()
        {
            rules.push(format!("{path}: {}", rule["message"].as_str().unwrap()));
        }
    });
    let expected: Vec<&str> = include_str!("rules.txt").lines().collect();
    assert_eq!(rules, expected, "{}", rules.join("\n"));
}

#[test]
fn selectors_and_references_change_as_a_whole() {
    let table = [
        ("L2Advertisement", "spec.nodeSelectors[]"),
        ("L2Advertisement", "spec.preferredNodeSelectors[].preference"),
        ("IPAddressPool", "spec.serviceAllocation.namespaceSelectors[]"),
        ("BGPPeer/v1beta2", "spec.passwordSecret"),
        (
            "MetalLB",
            "spec.speakerConfig.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution",
        ),
        (
            "MetalLB",
            "spec.speakerConfig.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[].labelSelector",
        ),
    ];
    for (kind, path) in table {
        assert_eq!(
            field(kind, path)["x-kubernetes-map-type"],
            "atomic",
            "{kind} {path}"
        );
    }
}

#[test]
fn conditions_of_configuration_state_merge_by_type() {
    let conditions = field("ConfigurationState", "status.conditions");
    assert_eq!(conditions["x-kubernetes-list-type"], "map");
    assert_eq!(conditions["x-kubernetes-list-map-keys"], json!(["type"]));
    assert_eq!(
        field("MetalLB", "status.conditions").get("x-kubernetes-list-type"),
        None
    );
}
