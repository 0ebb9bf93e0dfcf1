//! Environment variables of the three processes.

/// Controller and speaker: namespace of the configuration.
pub const NAMESPACE: &str = "METALLB_NAMESPACE";
/// Controller and speaker: name of the own pod.
pub const POD_NAME: &str = "METALLB_POD_NAME";
/// Speaker: name of the own node.
pub const NODE_NAME: &str = "METALLB_NODE_NAME";
/// Speaker: deprecated, accepted and ignored.
pub const HOST: &str = "METALLB_HOST";
/// Controller: Deployment that owns the memberlist Secret.
pub const DEPLOYMENT: &str = "METALLB_DEPLOYMENT";
/// Controller: name of the memberlist Secret.
pub const ML_SECRET_NAME: &str = "METALLB_ML_SECRET_NAME";
/// Speaker: address that the membership protocol listens on.
pub const ML_BIND_ADDR: &str = "METALLB_ML_BIND_ADDR";
/// Speaker: port of the membership protocol.
pub const ML_BIND_PORT: &str = "METALLB_ML_BIND_PORT";
/// Speaker: labels of the pods that are members.
pub const ML_LABELS: &str = "METALLB_ML_LABELS";
/// Speaker: directory with the shared key.
pub const ML_SECRET_KEY_PATH: &str = "METALLB_ML_SECRET_KEY_PATH";
/// Controller and speaker: which BGP implementation the configuration is for.
pub const BGP_TYPE: &str = "METALLB_BGP_TYPE";
/// Operator: namespace it works in.
pub const OPERATOR_NAMESPACE: &str = "OPERATOR_NAMESPACE";
/// Operator: image of the controller.
pub const CONTROLLER_IMAGE: &str = "CONTROLLER_IMAGE";
/// Operator: image of the speaker.
pub const SPEAKER_IMAGE: &str = "SPEAKER_IMAGE";
/// Operator: port of the membership protocol.
pub const MEMBER_LIST_BIND_PORT: &str = "MEMBER_LIST_BIND_PORT";
/// Operator: port of the metrics of controller and speaker.
pub const METRICS_PORT: &str = "METRICS_PORT";
/// Operator: whether to do without network policies.
pub const DISABLE_NETWORK_POLICIES: &str = "DISABLE_NETWORK_POLICIES";
/// Operator: port of the health endpoints of controller and speaker.
pub const OPERAND_LIVENESS_PORT: &str = "OPERAND_LIVENESS_PORT";
