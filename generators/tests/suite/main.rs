//! The crate against hand-written bytes, against its own promises, and against QEMU.

#[cfg(test)]
mod bytes;
#[cfg(test)]
mod capture;
#[cfg(test)]
mod corpus;
#[cfg(test)]
mod errors;
#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod guest;
#[cfg(test)]
mod manifests;
#[cfg(test)]
mod map;
#[cfg(test)]
mod programs;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod qemu;
#[cfg(test)]
mod structures;
