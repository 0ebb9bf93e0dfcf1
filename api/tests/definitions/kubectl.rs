//! What users see of the definitions in kubectl.

use serde_json::{Value, json};

use crate::schema::{DEFINITIONS, every_field};

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
         Speakers:integer=.status.speakers.ready, Wanted:integer=.status.speakers.wanted, \
         Version:string=.status.version, \
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
            "allOf",
            "not",
            "x-kubernetes-preserve-unknown-fields",
        ] {
            assert!(schema.get(keyword).is_none(), "{path} has {keyword}");
        }
        // A requirement of one of our selectors, which has values or none.
        let forms =
            path.ends_with(".matchExpressions[]") && schema["properties"]["operator"]["enum"].is_array();
        assert_eq!(schema.get("oneOf").is_some(), forms, "{path}");
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
