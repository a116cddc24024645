//! Tests of the durable folder.

use super::*;

fn folder() -> (tempfile::TempDir, Arc<DurableFolder>) {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().canonicalize().unwrap();
    let folder = DurableFolder::new(&root, Runtime::system(), Arc::default()).unwrap();
    (dir, Arc::new(folder))
}

fn names(dir: &FsPath) -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_creators_exactly_one_wins() {
    let (dir, folder) = folder();
    let path = Path::from("t/_delta_log/00000000000000000001.json");
    let tasks: Vec<_> = (0..16_u8)
        .map(|n| {
            let (folder, path) = (Arc::clone(&folder), path.clone());
            Runtime::system().spawn("creator", async move {
                let body = PutPayload::from(vec![n; 100_000]);
                folder.put_opts(&path, body, PutMode::Create.into()).await.map(|_| n)
            })
        })
        .collect();
    let mut winners = Vec::new();
    for task in tasks {
        match task.await.unwrap() {
            Ok(n) => winners.push(n),
            Err(Error::AlreadyExists { .. }) => {}
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!(winners.len(), 1);
    let stored = folder.get(&path).await.unwrap().bytes().await.unwrap();
    assert_eq!(stored, vec![winners[0]; 100_000]);
    assert_eq!(names(&dir.path().join("t/_delta_log")), ["00000000000000000001.json"]);
}

#[tokio::test]
async fn overwriting_replaces_and_the_tag_is_that_of_head() {
    let (_dir, folder) = folder();
    let path = Path::from("a/b");
    folder.put(&path, "one".into()).await.unwrap();
    let put = folder.put(&path, "three".into()).await.unwrap();
    let head = folder.head(&path).await.unwrap();
    assert_eq!((head.size, head.e_tag), (5, put.e_tag));
    folder.settle(&path).await.unwrap();
}

#[tokio::test]
async fn parts_are_joined_in_the_order_they_were_given() {
    let (dir, folder) = folder();
    let path = Path::from("big");
    let mut upload = folder.put_multipart(&path).await.unwrap();
    let (one, two) = (upload.put_part("hello ".into()), upload.put_part("world".into()));
    two.await.unwrap();
    one.await.unwrap();
    assert!(folder.head(&path).await.is_err(), "nothing shows before the end");
    upload.complete().await.unwrap();
    assert_eq!(folder.get(&path).await.unwrap().bytes().await.unwrap(), "hello world");
    assert_eq!(names(dir.path()), ["big"]);
}

#[tokio::test]
async fn listings_are_in_order_and_leave_out_what_is_being_written() {
    let (dir, folder) = folder();
    for name in ["z/2", "z/10", "z/1", "a"] {
        folder.put(&Path::from(name), "x".into()).await.unwrap();
    }
    std::fs::write(dir.path().join("z/3#77"), "unfinished").unwrap();
    let all: Vec<_> =
        folder.list(None).map_ok(|m| m.location.to_string()).try_collect().await.unwrap();
    assert_eq!(all, ["a", "z/1", "z/10", "z/2"]);
}

#[tokio::test]
async fn no_path_leaves_the_folder() {
    assert!(Path::parse("../outside").is_err());
    assert!(Path::parse("a/../../outside").is_err());
    let (dir, folder) = folder();
    let put = folder.put(&Path::from("../outside"), "x".into()).await;
    assert!(put.is_ok(), "the segment is escaped, not followed");
    assert!(!dir.path().parent().unwrap().join("outside").exists());
}
