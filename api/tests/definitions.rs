//! What the generated definitions promise to users: fields, bounds, rules, columns. Tables, one `check` each.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::path::Path;
use std::sync::LazyLock;

use metallb_api::{crd, names};
use serde_json::{Value, json};

/// The schema of `kind` in `version`.
fn schema(kind: &str, version: &str) -> Value {
    let versions = definition(kind)["spec"]["versions"].clone();
    let version = versions
        .as_array()
        .unwrap()
        .iter()
        .find(|candidate| candidate["name"] == version)
        .cloned();
    version.expect("the kind has the version")["schema"]["openAPIV3Schema"].clone()
}

/// All definitions. Generated once: it is most of the work of these tests.
static DEFINITIONS: LazyLock<Vec<Value>> = LazyLock::new(|| {
    crd::all()
        .into_iter()
        .map(|crd| serde_json::to_value(crd).unwrap())
        .collect()
});

/// The definition of `kind`.
fn definition(kind: &str) -> &'static Value {
    DEFINITIONS
        .iter()
        .find(|crd| crd["spec"]["names"]["kind"] == kind)
        .expect("the kind exists")
}

/// The schema of the field at `path` ("spec.nodeSelectors[].matchLabels") of `kind/version`.
fn field(kind_version: &str, path: &str) -> Value {
    let (kind, version) = kind_version.split_once('/').unwrap_or((kind_version, "v1beta1"));
    let mut at = schema(kind, version);
    for step in path.split('.').filter(|step| !step.is_empty()) {
        let name = step.trim_end_matches("[]");
        at = at["properties"][name].clone();
        if step.ends_with("[]") {
            at = at["items"].clone();
        }
        assert!(at.is_object(), "{kind_version} has no {path}");
    }
    at
}

/// Calls `visit` with the path and the schema of every field of every kind.
fn every_field(mut visit: impl FnMut(&str, &Value)) {
    fn walk(path: &str, schema: &Value, visit: &mut dyn FnMut(&str, &Value)) {
        visit(path, schema);
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            walk(&format!("{path}.{name}"), property, visit);
        }
        for below in ["items", "additionalProperties"] {
            if schema[below].is_object() {
                walk(&format!("{path}[]"), &schema[below], visit);
            }
        }
    }
    for crd in DEFINITIONS.iter() {
        let kind = crd["spec"]["names"]["kind"].as_str().unwrap();
        for version in crd["spec"]["versions"].as_array().unwrap() {
            let path = format!("{kind}/{}", version["name"].as_str().unwrap());
            walk(&path, &version["schema"]["openAPIV3Schema"], &mut visit);
        }
    }
}

#[test]
fn there_are_ten_kinds_of_one_group_all_namespaced_with_a_status_and_without_short_names() {
    let kinds: Vec<String> = crd::all().iter().map(|crd| crd.spec.names.kind.clone()).collect();
    let expected = [
        ("IPAddressPool", "ipaddresspools", "ipaddresspool"),
        ("L2Advertisement", "l2advertisements", "l2advertisement"),
        ("BGPAdvertisement", "bgpadvertisements", "bgpadvertisement"),
        ("BGPPeer", "bgppeers", "bgppeer"),
        ("BFDProfile", "bfdprofiles", "bfdprofile"),
        ("Community", "communities", "community"),
        ("ServiceL2Status", "servicel2statuses", "servicel2status"),
        ("ServiceBGPStatus", "servicebgpstatuses", "servicebgpstatus"),
        ("ConfigurationState", "configurationstates", "configurationstate"),
        ("MetalLB", "metallbs", "metallb"),
    ];
    assert_eq!(kinds, expected.map(|(kind, _, _)| kind));
    for (kind, plural, singular) in expected {
        let crd = definition(kind);
        assert_eq!(crd["metadata"]["name"], format!("{plural}.{}", names::GROUP));
        assert_eq!(crd["spec"]["group"], names::GROUP);
        assert_eq!(crd["spec"]["scope"], "Namespaced");
        assert_eq!(
            crd["spec"]["names"],
            json!({ "kind": kind, "plural": plural, "singular": singular })
        );
        for version in crd["spec"]["versions"].as_array().unwrap() {
            assert_eq!(version["subresources"], json!({ "status": {} }), "{kind}");
            assert_eq!(version["served"], true, "{kind}");
        }
    }
}

#[test]
fn every_kind_is_stored_as_v1beta1_but_bgp_peer_as_v1beta2() {
    for crd in crd::all() {
        let versions = crd.spec.versions.iter();
        let stored: Vec<&str> = versions
            .filter(|version| version.storage)
            .map(|version| &*version.name)
            .collect();
        let expected = if crd.spec.names.kind == "BGPPeer" {
            names::V1BETA2
        } else {
            names::V1BETA1
        };
        assert_eq!(stored, [expected], "{}", crd.spec.names.kind);
    }
}

#[test]
fn the_old_version_of_bgp_peer_says_that_it_is_deprecated() {
    let peer = definition("BGPPeer");
    let versions = peer["spec"]["versions"].as_array().unwrap();
    let old = versions
        .iter()
        .find(|version| version["name"] == "v1beta1")
        .unwrap();
    assert_eq!(old["deprecated"], true);
    assert_eq!(
        old["deprecationWarning"],
        "v1beta1 is deprecated, please use v1beta2"
    );
    assert_eq!(
        peer["spec"].get("conversion"),
        None,
        "it would clash with the webhook of a definition that is there"
    );
}

/// Without this, reading an object in the other version would lose what the author wrote.
#[test]
fn every_field_of_the_old_bgp_peer_has_its_name_and_type_in_the_new_one() {
    let new = field("BGPPeer/v1beta2", "spec");
    for (name, old) in field("BGPPeer/v1beta1", "spec")["properties"]
        .as_object()
        .unwrap()
    {
        assert_eq!(old["type"], new["properties"][name]["type"], "{name}");
        assert_eq!(old["format"], new["properties"][name]["format"], "{name}");
    }
}

/// The words of each line of a table.
fn rows(table: &str) -> impl Iterator<Item = Vec<&str>> {
    table
        .lines()
        .map(|line| line.split_whitespace().collect())
        .filter(|words: &Vec<&str>| !words.is_empty())
}

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
fn kubectl_get_shows_the_documented_columns() {
    let peer = "Address:string=.spec.peerAddress, ASN:string=.spec.peerASN, BFD Profile:string=.spec.bfdProfile, \
                Multi Hops:string=.spec.ebgpMultiHop";
    let expected = [
        "IPAddressPool/v1beta1: Auto Assign:boolean=.spec.autoAssign, \
         Avoid Buggy IPs:boolean=.spec.avoidBuggyIPs, Addresses:string=.spec.addresses",
        "L2Advertisement/v1beta1: IPAddressPools:string=.spec.ipAddressPools, \
         IPAddressPool Selectors:string=.spec.ipAddressPoolSelectors, Interfaces:string=.spec.interfaces, \
         Node Selectors:string=.spec.nodeSelectors@10",
        "BGPAdvertisement/v1beta1: IPAddressPools:string=.spec.ipAddressPools, \
         IPAddressPool Selectors:string=.spec.ipAddressPoolSelectors, Peers:string=.spec.peers, \
         Node Selectors:string=.spec.nodeSelectors@10",
        &format!("BGPPeer/v1beta2: {peer}"),
        &format!("BGPPeer/v1beta1: {peer}"),
        "BFDProfile/v1beta1: Passive Mode:boolean=.spec.passiveMode, \
         Transmit Interval:integer=.spec.transmitInterval, Receive Interval:integer=.spec.receiveInterval, \
         Multiplier:integer=.spec.detectMultiplier",
        "Community/v1beta1: ",
        "ServiceL2Status/v1beta1: Allocated Node:string=.status.node, Service Name:string=.status.serviceName, \
         Service Namespace:string=.status.serviceNamespace",
        "ServiceBGPStatus/v1beta1: Node:string=.status.node, Service Name:string=.status.serviceName, \
         Service Namespace:string=.status.serviceNamespace",
        "ConfigurationState/v1beta1: Result:string=.status.result, ErrorSummary:string=.status.errorSummary, \
         Age:date=.metadata.creationTimestamp",
        "MetalLB/v1beta1: Available:string=.status.conditions[?(@.type=='Available')].status, \
         Degraded:string=.status.conditions[?(@.type=='Degraded')].status, \
         Progressing:string=.status.conditions[?(@.type=='Progressing')].status, \
         Age:date=.metadata.creationTimestamp",
    ];
    let mut shown = Vec::new();
    for crd in DEFINITIONS.iter() {
        for version in crd["spec"]["versions"].as_array().unwrap() {
            let columns = version["additionalPrinterColumns"]
                .as_array()
                .into_iter()
                .flatten();
            let columns: Vec<String> = columns.map(column).collect();
            let kind = crd["spec"]["names"]["kind"].as_str().unwrap();
            shown.push(format!(
                "{kind}/{}: {}",
                version["name"].as_str().unwrap(),
                columns.join(", ")
            ));
        }
    }
    assert_eq!(shown, expected);
}

/// A column as `name:type=path@priority`.
fn column(column: &Value) -> String {
    let text = |key: &str| column[key].as_str().unwrap().to_owned();
    let priority = column["priority"]
        .as_i64()
        .map(|priority| format!("@{priority}"))
        .unwrap_or_default();
    format!("{}:{}={}{priority}", text("name"), text("type"), text("jsonPath"))
}

#[test]
fn an_api_server_finds_nothing_to_warn_about() {
    every_field(|path, schema| {
        let format = schema["format"].as_str().unwrap_or("int64");
        assert!(
            ["int32", "int64", "date-time"].contains(&format),
            "{path} has the format {format}"
        );
        for keyword in [
            "nullable",
            "title",
            "$ref",
            "oneOf",
            "allOf",
            "not",
            "x-kubernetes-preserve-unknown-fields",
        ] {
            assert!(schema.get(keyword).is_none(), "{path} has {keyword}");
        }
        let quantity = schema["x-kubernetes-int-or-string"] == true;
        let either = quantity.then(|| json!([{ "type": "integer" }, { "type": "string" }]));
        assert_eq!(schema.get("anyOf"), either.as_ref(), "{path}");
        assert_eq!(schema.get("type").is_none(), quantity, "{path}");
    });
}

#[test]
fn kubectl_explain_has_a_description_for_every_field() {
    // What a pod has too is described where Kubernetes describes pods.
    let of_pod = [".affinity.", ".resources.", "Tolerations[]", ".metadata"];
    every_field(|path, schema| {
        let elsewhere = of_pod.iter().any(|part| path.contains(part));
        let plain_item = path.ends_with("[]") && schema.get("properties").is_none();
        let described = schema["description"].as_str().is_some_and(|text| text.len() > 3);
        assert!(elsewhere || plain_item || described, "{path} has no description");
        let text = schema["description"].as_str().unwrap_or_default();
        assert!(
            !text.contains('`') && !text.contains("::") || text.contains("2001:db8::"),
            "{path}: {text}"
        );
    });
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

#[test]
fn the_files_in_config_are_what_the_types_say() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/crd");
    for definition in crd::all() {
        let path = directory.join(crd::file_name(&definition));
        let on_disk = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            on_disk == crd::file_text(&definition).unwrap(),
            "{} is out of date: run `make manifests`",
            path.display()
        );
    }
}

#[test]
fn a_generated_file_reads_back_as_its_definition() {
    for definition in crd::all() {
        let text = crd::file_text(&definition).unwrap();
        assert!(text.starts_with("# Generated by `make manifests`; do not edit.\n"));
        assert_eq!(
            serde_saphyr::from_str::<Value>(&text).unwrap(),
            whole(serde_json::to_value(&definition).unwrap())
        );
    }
}

/// `value` with bounds as the whole numbers they are.
fn whole(value: Value) -> Value {
    match value {
        Value::Object(map) => map.into_iter().map(|(key, value)| (key, whole(value))).collect(),
        Value::Array(values) => values.into_iter().map(whole).collect(),
        Value::Number(number) if number.is_f64() => {
            number.to_string().trim_end_matches(".0").parse().unwrap()
        }
        other => other,
    }
}
