//! The steps of an update: a path and an operator, or a renaming.

use super::Circumstances;
use super::fields::Set;
use super::paths::{Leaf, UpdatePath};
use super::tree::Tree;
use crate::Result;

/// One step.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) path: UpdatePath,
    pub(super) action: Action,
}

/// What a step does at its path.
#[derive(Debug)]
pub(super) enum Action {
    Change(Box<dyn Leaf>),
    /// Only for documents being inserted.
    OnInsert(Set),
    /// Takes the value from another path.
    RenamedFrom(UpdatePath),
}

impl Step {
    pub(super) fn apply(&self, tree: &mut Tree, circumstances: &Circumstances<'_>) -> Result<()> {
        match &self.action {
            Action::Change(leaf) => self.path.apply(tree, leaf.as_ref(), circumstances),
            Action::OnInsert(set) if circumstances.inserting => {
                self.path.apply(tree, set, circumstances)
            }
            Action::OnInsert(_) => Ok(()),
            Action::RenamedFrom(source) => self.rename(source, tree, circumstances),
        }
    }

    /// A missing source leaves everything as it is.
    fn rename(
        &self,
        source: &UpdatePath,
        tree: &mut Tree,
        circumstances: &Circumstances<'_>,
    ) -> Result<()> {
        let Some(found) = source.find(tree, "source")? else { return Ok(()) };
        let value = found.to_raw()?;
        self.path.find(tree, "destination")?;
        source.apply(tree, &super::fields::Unset, circumstances)?;
        self.path.apply(tree, &Set(value), circumstances)
    }
}
