//! placeholder until mql lands
/// Simulated cluster.
pub struct MemoryCluster;
