//! A real Kubernetes cluster in network namespaces, and what the tests that run on it share.
//!
//! ```text
//! bin/cluster ──► cluster      up, down, load: one cluster per machine, knows nothing of MetalLB
//! tests/*.rs  ──► kubernetes   whatever cluster $KUBECONFIG names: objects, namespaces of a test, what to show on failure
//!                 fixtures     pools, advertisements, Services and web servers
//!                 lab          what only our own cluster has: a client on the same segment, cables to pull
//!                 pools        address pools of a test, and how much of them is in use
//!                 admission    what is said to a MetalLB before it is stored
//!                 announced    a Service on the wire, and which node answers for it
//!                 audit        what pods asked of the API server
//!                 upstream     the Go implementation, to be compared with
//!                 helm         Helm in both major versions, and our chart
//!                 page         a page of docs/ that is run as it is printed
//!                 olm          the Operator Lifecycle Manager, and images after our Dockerfiles
//!                 installation what there is of MetalLB on the cluster, and none of it
//!                 witness      every address a Service was ever seen with
//!                 wait         conditions instead of sleeps
//! ```
//!
//! A test that needs only Kubernetes takes a [`kubernetes::Cluster`] and runs anywhere; one that looks at the wire also
//! takes a [`lab::Lab`], and is skipped with a reason where there is none (in CI that is an error).

pub mod admission;
pub mod announced;
pub mod audit;
pub mod cluster;
pub mod command;
pub mod fixtures;
pub mod helm;
pub mod installation;
pub mod kubernetes;
pub mod lab;
pub mod metallb;
pub mod olm;
pub mod page;
pub mod pools;
pub mod upstream;
pub mod wait;
pub mod witness;
