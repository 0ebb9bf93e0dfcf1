//! The MetalLB operator: turns the one `MetalLB` resource of its namespace into a running controller and speakers.
//!
//! ```text
//!  MetalLB "metallb" ─► dereference ─► validate ─► build ─► apply ─► status ─► MetalLB conditions
//!                       (reads)        (pure)      (pure)   (writes) (from what was applied)
//!                                                             │
//!        a change of any object it made  ◄── watches ─────────┘   starts the same five steps again
//! ```
//!
//! It owns the five steps ([`metallb`]), the wiring of a process around them ([`app`], [`args`]), what the cluster has
//! besides Kubernetes ([`platform`]), which of several operators acts ([`leader`]),
//! what the API server asks about a MetalLB before it takes it ([`webhook`]), and the manifests ([`manifests`]) and the bundle ([`bundle`]) that install the
//! operator itself, which the programs of `make` write ([`checkout`]). It works in its own namespace only, never reads a
//! Service, an IPAddressPool or any other configuration, and never grants permissions: those of the controller and of the
//! speaker come with the installation. `operator preflight` ([`preflight`]) is another program in the same binary: it reads
//! all of that, with the permissions of whoever runs it, and writes nothing.

pub mod app;
pub mod args;
pub mod bundle;
pub mod checkout;
pub mod leader;
pub mod manifests;
pub mod metallb;
pub mod platform;
pub mod preflight;
pub mod webhook;
