//! Condition types, and the reasons that go with them.

/// On a MetalLB: controller and speaker run as asked.
pub const AVAILABLE: &str = "Available";
/// On a MetalLB: the operator may be upgraded now.
pub const UPGRADEABLE: &str = "Upgradeable";
/// On a MetalLB: changes are being rolled out.
pub const PROGRESSING: &str = "Progressing";
/// On a MetalLB: something is wrong, the message says what.
pub const DEGRADED: &str = "Degraded";
/// Reason of `Degraded` when the MetalLB has a name other than [`super::object::METALLB`].
pub const INCORRECT_NAME: &str = "IncorrectMetalLBResourceName";
/// Reason of `Degraded` when the MetalLB asks for something that cannot be.
pub const INVALID: &str = "InvalidMetalLBResource";
/// Reason of `Degraded` when the API server was asked to make it so and did not.
pub const FAILED_TO_SYNC: &str = "FailedToSyncMetalLBResources";
/// Reason of `Degraded` when the objects are there and their pods cannot be made.
pub const ROLLOUT_FAILED: &str = "RolloutFailed";

/// Reason of `Degraded` when there is another MetalLB on the cluster.
pub const ANOTHER_INSTALLATION: &str = "AnotherMetalLBInstalled";

/// On the controller's ConfigurationState: the pools are understood.
pub const POOL_RECONCILER_VALID: &str = "poolReconcilerValid";
/// On a speaker's ConfigurationState: the configuration is understood.
pub const CONFIG_RECONCILER_VALID: &str = "configReconcilerValid";
/// Reason on a ConfigurationState: all is well.
pub const RECONCILED: &str = "Reconciled";
/// Reason on a ConfigurationState: an object the user wrote is wrong.
pub const CONFIGURATION_ERROR: &str = "ConfigurationError";
/// Reason on a ConfigurationState: anything else.
pub const UNKNOWN_ERROR: &str = "UnknownError";

/// On a Service, `False`, while it has no address: its reason and message say why. There is none on a Service that
/// has one.
pub const ADDRESS_ALLOCATED: &str = "metallb.io/AddressAllocated";

/// On a Service, `False`, while nobody announces its address, or `Unknown`: its reason and message say why. There is
/// none on a Service that is announced.
pub const ANNOUNCED: &str = "metallb.io/Announced";
/// Reason of [`ANNOUNCED`]: no advertisement selects the pool.
pub const NOT_ADVERTISED: &str = "NotAdvertised";
/// Reason of [`ANNOUNCED`]: the advertisements of the pool do not select the Service.
pub const NOT_SELECTED: &str = "ServiceNotSelected";
/// Reason of [`ANNOUNCED`]: it may share its address, and an advertisement selects by Service.
pub const SHARES_AND_SELECTS: &str = "SharedAddressSelected";
/// Reason of [`ANNOUNCED`]: each node is out of the question, and the message says why.
pub const NO_NODE: &str = "NoEligibleNode";
/// Reason of [`ANNOUNCED`], which is `Unknown`: no speaker that might announce it is ready.
pub const NO_READY_SPEAKER: &str = "NoReadySpeaker";
/// Reason of [`ANNOUNCED`]: it has no ready endpoint.
pub const NO_ENDPOINT: &str = "NoReadyEndpoint";
/// Reason of [`ANNOUNCED`]: the chosen node lacks the interfaces that the advertisement names.
pub const NO_INTERFACE: &str = "NoSuchInterface";

/// On a Node: its network is not set up.
pub const NETWORK_UNAVAILABLE: &str = "NetworkUnavailable";
