//! Plants bugs in a copy of the sources, one at a time, and has the simulation find each: what it says of the
//! real ones is worth as much as what it finds. Bugs of a cluster's guarantees are planted in the
//! room `simulation` itself, and found by its tests.

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;

use crate::{conformance, run};

/// Random worlds in which a bug must show, and those of them that are played on Delta tables, too.
const WORLDS: &str = "1000";
const DELTA_WORLDS: &str = "40";

/// A bug: its name, and what it takes the place of.
struct Bug {
    name: &'static str,
    /// File, text, other text.
    edits: &'static [(&'static str, &'static str, &'static str)],
}

const BUGS: [Bug; 11] = [
    Bug {
        name: "files are not read back before they are committed",
        edits: &[(
            "crates/archiver/src/steps/verify.rs",
            "Ok::<_, ArchiverError>(table.verify(staged).await?)",
            "{ let _ = (table, staged); Ok::<_, ArchiverError>(()) }",
        )],
    },
    Bug {
        name: "a commit is sent whatever the table holds",
        edits: &[
            (
                "crates/lake/src/change.rs",
                "if fence != epoch || version.fence_token.as_deref() != Some(token) {",
                "if fence < 0 {",
            ),
            (
                "crates/lake/src/change.rs",
                "if admitted { Ok(()) } else {",
                "if admitted || committed >= 0 { Ok(()) } else {",
            ),
            (
                "crates/lake/src/commit.rs",
                "if self.is_committed(change, &loaded.version).await.map_err(|e| unknown(attempts, e))? {",
                "let _ = self.is_committed(change, &loaded.version).await; if attempts > 0 {",
            ),
        ],
    },
    Bug {
        name: "a new folder is not synced into the one that holds it",
        edits: &[(
            "crates/lake/src/folder.rs",
            "if folder == self.root {",
            "if folder != self.root {",
        )],
    },
    Bug {
        name: "documents are deleted before their commit",
        edits: &[
            (
                "crates/archiver/src/steps/commit.rs",
                "change_table(scene, scene.table(item.archive_id)?, effects::COMMIT, &change).await?;",
                "let _ = (&change, effects::COMMIT);",
            ),
            (
                "crates/archiver/src/steps/publish.rs",
                "Err(error) => return Err(error.into()),",
                "Err(_) => {}",
            ),
        ],
    },
    Bug {
        name: "rows of documents that stayed do not leave the table",
        edits: &[(
            "crates/archiver/src/steps/confirm.rs",
            "if drops.is_empty() && flags.is_empty() {",
            "if drops.len() < usize::MAX || flags.is_empty() {",
        )],
    },
    Bug {
        name: "older rows of a document that came back stay in the table",
        edits: &[(
            "crates/archiver/src/steps/superseded.rs",
            "if places.is_empty() {",
            "if places.len() < usize::MAX {",
        )],
    },
    Bug {
        name: "a committed move that the journal does not know of is given up",
        edits: &[(
            "crates/archiver/src/protocol.rs",
            "if item.seq > table.committed {",
            "if item.seq > table.confirmed {",
        )],
    },
    Bug {
        name: "what was seen to stay is forgotten where a move is gone on with",
        edits: &[(
            "crates/archiver/src/source_fence.rs",
            "let mut stayed: HashSet<Vec<u8>> = progress.kept.into_iter().map(|row| row.identity).collect();",
            "let mut stayed: HashSet<Vec<u8>> = progress.kept.into_iter().take(0).map(|row| row.identity).collect();",
        )],
    },
    Bug {
        name: "files that no version names are never removed",
        edits: &[(
            "crates/archiver/src/upkeep/clean_up.rs",
            "if found.is_empty() && log.old.is_empty() {",
            "if found.len() < usize::MAX && log.old.is_empty() {",
        )],
    },
    Bug {
        name: "the archive alone shows rows that are still in the cluster",
        edits: &[(
            "crates/federation/src/judge.rs",
            "if candidate.open { gone } else {",
            "if candidate.open { true } else {",
        )],
    },
    Bug {
        name: "the endpoint shows what the cluster holds and the archive's row of it",
        edits: &[(
            "crates/federation/src/judge.rs",
            "candidates.retain(|candidate| !returned.contains(&candidate.identity));",
            "let _ = returned;",
        )],
    },
];

/// Which bugs to plant.
#[derive(Args)]
pub(crate) struct Options {
    /// Only those whose name contains this text.
    #[arg(long)]
    only: Option<String>,
}

/// Plants each; one that the simulation does not find is an error.
pub(crate) fn run(options: &Options) -> Result<()> {
    let wanted = |bug: &&Bug| options.only.as_ref().is_none_or(|only| bug.name.contains(only));
    let bugs: Vec<&Bug> = BUGS.iter().filter(wanted).collect();
    ensure!(!bugs.is_empty(), "no bug of that name");
    let folder = conformance::target()?.join("../planted");
    let mut survived = Vec::new();
    for bug in &bugs {
        let found = is_found(&folder, bug).with_context(|| bug.name)?;
        println!("{}: {}", if found { "found" } else { "NOT FOUND" }, bug.name);
        survived.extend((!found).then_some(bug.name));
    }
    ensure!(survived.is_empty(), "not found: {}", survived.join("; "));
    println!("{} planted bugs were found", bugs.len());
    Ok(())
}

fn is_found(folder: &Path, bug: &Bug) -> Result<bool> {
    copy_sources(folder)?;
    for (file, text, other) in bug.edits {
        let path = folder.join(file);
        let sound = std::fs::read_to_string(&path).with_context(|| (*file).to_owned())?;
        ensure!(sound.matches(text).count() == 1, "{file} holds it not once: {text}");
        std::fs::write(&path, sound.replace(text, other))?;
    }
    // A target folder of its own, so that nothing that was planted stays among what is built elsewhere.
    let target = folder.join("target");
    let named = target.to_str().context("the target folder has no UTF-8 name")?;
    let build = ["build", "--locked", "--workspace", "--example", "sim", "--target-dir", named];
    run::run_in(folder, &run::cargo(), &build, &[])?;
    plays_badly(&target.join("debug/examples/sim"))
}

/// Whether the program shows a violation in what every single fault and random worlds bring.
fn plays_badly(program: &Path) -> Result<bool> {
    let output = std::process::Command::new(program)
        .args(["--worlds", WORLDS, "--delta", DELTA_WORLDS, "--until-first"])
        .output()
        .with_context(|| format!("cannot start {}", program.display()))?;
    let printed = String::from_utf8_lossy(&output.stdout);
    match (output.status.success(), printed.contains("VIOLATION")) {
        (false, true) => Ok(true),
        (true, false) => Ok(false),
        _ => bail!("it ended with {}:\n{}", output.status, String::from_utf8_lossy(&output.stderr)),
    }
}

/// The sources as git knows them and as they are now. What is there already and equal keeps its age, so that
/// little is built again.
fn copy_sources(folder: &Path) -> Result<()> {
    let listed = run::output("git", &["ls-files", "--cached", "--others", "--exclude-standard"])?;
    for name in listed.lines() {
        let (from, to) = (run::root().join(name), folder.join(name));
        let Ok(bytes) = std::fs::read(&from) else { continue };
        if std::fs::read(&to).is_ok_and(|there| there == bytes) {
            continue;
        }
        std::fs::create_dir_all(to.parent().context("a file lies in a folder")?)?;
        std::fs::write(&to, bytes)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bug_has_its_place_in_the_sources() {
        for (bug, (file, text, _)) in
            BUGS.iter().flat_map(|bug| bug.edits.iter().map(move |it| (bug, it)))
        {
            let sound = std::fs::read_to_string(run::root().join(file)).expect(file);
            assert_eq!(
                sound.matches(text).count(),
                1,
                "{}: {file} holds it not once: {text}",
                bug.name
            );
        }
    }
}
