//! Images are built from small hand-made ELF files, written, read back and checked as their readers would.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::*;

/// A directory of its own for each test, removed at its end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(test: &str) -> Self {
        let path = std::env::temp_dir().join(format!("metallb-images-{}-{test}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, content).unwrap();
        path
    }

    fn names(&self) -> Vec<String> {
        let name = |entry: fs::DirEntry| entry.file_name().into_string().unwrap();
        let mut names: Vec<_> = fs::read_dir(&self.0)
            .unwrap()
            .map(|entry| name(entry.unwrap()))
            .collect();
        names.sort();
        names
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

fn static_amd64() -> Vec<u8> {
    elf::tests::elf(3, 62, 1)
}

fn controller(scratch: &Scratch) -> Image {
    Image {
        reference: "quay.io/metallb-rs/controller:v0.1.0".to_owned(),
        entrypoint: vec!["/controller".to_owned()],
        user: Some(User::NOBODY),
        env: BTreeMap::from([("RUST_BACKTRACE".to_owned(), "1".to_owned())]),
        labels: BTreeMap::from([(
            "org.opencontainers.image.title".to_owned(),
            "controller".to_owned(),
        )]),
        files: vec![File {
            source: scratch.file("controller", &static_amd64()),
            destination: "/controller".to_owned(),
            mode: 0o755,
        }],
    }
}

/// Every file of a tar, by path.
fn untar(tar: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in tar::Archive::new(tar).entries().unwrap() {
        let mut entry = entry.unwrap();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        files.insert(entry.path().unwrap().display().to_string(), content);
    }
    files
}

/// The blob a descriptor points to, after the checks a runtime makes on it.
fn blob<'a>(files: &'a BTreeMap<String, Vec<u8>>, descriptor: &Value) -> &'a [u8] {
    let hex = descriptor["digest"]
        .as_str()
        .unwrap()
        .strip_prefix("sha256:")
        .unwrap();
    let content = &files[&format!("blobs/sha256/{hex}")];
    assert_eq!(layout::hex_sha256(content), hex);
    assert_eq!(descriptor["size"], content.len());
    content
}

fn json_of(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

#[test]
fn a_reader_finds_the_binary_by_following_digests_from_the_index() {
    let scratch = Scratch::new("follow");
    let path = scratch.0.join("out/controller.tar");
    let archive = controller(&scratch).write_archive(&path).unwrap();

    let files = untar(&fs::read(&path).unwrap());
    assert_eq!(
        json_of(&files["oci-layout"]),
        json!({"imageLayoutVersion": "1.0.0"})
    );
    let index = json_of(&files["index.json"]);
    let descriptor = &index["manifests"][0];
    assert_eq!(descriptor["digest"], archive.manifest_digest.as_str());
    assert_eq!(
        descriptor["platform"],
        json!({"architecture": "amd64", "os": "linux"})
    );
    for name in ["io.containerd.image.name", "org.opencontainers.image.ref.name"] {
        assert_eq!(
            descriptor["annotations"][name],
            "quay.io/metallb-rs/controller:v0.1.0"
        );
    }

    let manifest = json_of(blob(&files, descriptor));
    let configuration = json_of(blob(&files, &manifest["config"]));
    let expected = json!({
        "Entrypoint": ["/controller"],
        "Env": ["RUST_BACKTRACE=1"],
        "Labels": {"org.opencontainers.image.title": "controller"},
        "User": "65534:65534",
        "WorkingDir": "/",
    });
    assert_eq!(configuration["config"], expected);
    assert_eq!(
        configuration["rootfs"]["diff_ids"][0],
        manifest["layers"][0]["digest"]
    );

    let layer = untar(blob(&files, &manifest["layers"][0]));
    assert_eq!(layer["controller"], static_amd64());
    assert!(layer.contains_key("tmp/"));
    assert!(String::from_utf8_lossy(&layer["etc/passwd"]).contains("nobody:x:65534:65534:"));
}

#[test]
fn an_old_docker_finds_the_same_blobs_through_its_own_table() {
    let scratch = Scratch::new("docker");
    let files = untar(controller(&scratch).build().unwrap().as_bytes());

    let table = json_of(&files["manifest.json"]);
    assert_eq!(
        table[0]["RepoTags"],
        json!(["quay.io/metallb-rs/controller:v0.1.0"])
    );
    let configuration = json_of(&files[table[0]["Config"].as_str().unwrap()]);
    assert_eq!(configuration["architecture"], "amd64");
    assert!(files.contains_key(table[0]["Layers"][0].as_str().unwrap()));
}

#[test]
fn a_written_archive_tells_by_what_nodes_will_know_it() {
    let scratch = Scratch::new("identity");
    let path = scratch.0.join("controller.tar");
    let archive = controller(&scratch).write_archive(&path).unwrap();
    let files = untar(&archive.tar);
    let manifest = json_of(blob(&files, &json_of(&files["index.json"])["manifests"][0]));
    let found = crate::Identity::read(&path).unwrap();
    assert_eq!(found.reference, "quay.io/metallb-rs/controller:v0.1.0");
    assert_eq!(found.id, manifest["config"]["digest"].as_str().unwrap());
    assert!(crate::Identity::read(&scratch.file("other", b"no archive")).is_err());
}

#[test]
fn the_same_input_gives_the_same_bytes_whenever_and_in_whatever_order() {
    let scratch = Scratch::new("deterministic");
    let mut image = controller(&scratch);
    image.files.push(File {
        source: scratch.file("licence", b"Apache-2.0"),
        destination: "/usr/share/doc/licence".to_owned(),
        mode: 0o644,
    });
    let first = image.build().unwrap();

    // New modification times, other permissions on disk, the other order.
    scratch.file("controller", &static_amd64());
    fs::remove_file(scratch.0.join("licence")).unwrap();
    scratch.file("licence", b"Apache-2.0");
    image.files.reverse();
    assert_eq!(image.build().unwrap(), first);

    image.env.clear();
    assert_ne!(image.build().unwrap().manifest_digest, first.manifest_digest);
}

#[test]
fn without_a_user_the_configuration_names_none() {
    let scratch = Scratch::new("root");
    let image = Image {
        user: None,
        ..controller(&scratch)
    };
    assert!(image.runtime().get("User").is_none());
}

#[test]
fn an_arm64_binary_makes_an_arm64_image() {
    let scratch = Scratch::new("arm64");
    let image = controller(&scratch);
    scratch.file("controller", &elf::tests::elf(3, 183, 1));
    let archive = image.build().unwrap();
    let index = json_of(&untar(archive.as_bytes())["index.json"]);
    assert_eq!(index["manifests"][0]["platform"]["architecture"], "arm64");
}

#[test]
fn every_mistake_is_named_and_nothing_is_written() {
    let check = |test: &str, mistake: fn(&mut Image, &Scratch), message: &str| {
        let scratch = Scratch::new(test);
        let mut image = controller(&scratch);
        mistake(&mut image, &scratch);
        let before = scratch.names();
        let error = image
            .write_archive(&scratch.0.join("image.tar"))
            .unwrap_err()
            .to_string();
        assert!(error.contains(message), "{test}: {error}");
        assert_eq!(scratch.names(), before, "{test}");
    };
    check(
        "no-tag",
        |i, _| i.reference = "quay.io/a/b".to_owned(),
        "registry/repository:tag",
    );
    check(
        "no-entrypoint",
        |i, _| i.entrypoint.clear(),
        "not among the files",
    );
    check(
        "other-entrypoint",
        |i, _| i.entrypoint = vec!["/x".to_owned()],
        "not among the files",
    );
    let dynamic = |_: &mut Image, s: &Scratch| {
        s.file("controller", &elf::tests::elf(3, 62, 3));
    };
    check(
        "dynamic",
        dynamic,
        "needs the dynamic loader /lib64/ld-linux-x86-64.so.2",
    );
    check("relative", |i, _| add(i, "a/b"), "not an absolute path");
    check("escape", |i, _| add(i, "/../etc/shadow"), "not an absolute path");
    check("directory", |i, _| add(i, "/etc/"), "not an absolute path");
    check("taken", |i, _| add(i, "/controller"), "already taken");
    check(
        "missing",
        |i, s| i.files[0].source = s.0.join("missing"),
        "missing",
    );
}

fn add(image: &mut Image, destination: &str) {
    let source = image.files[0].source.clone();
    image.files.push(File {
        source,
        destination: destination.to_owned(),
        mode: 0o644,
    });
}

#[test]
fn an_archive_that_cannot_be_put_in_place_leaves_nothing_behind() {
    let scratch = Scratch::new("unwritable");
    let archive = controller(&scratch).build().unwrap();
    let directory = scratch.0.join("in-the-way.tar");
    fs::create_dir_all(directory.join("full")).unwrap();
    let before = scratch.names();
    assert!(matches!(archive.write(&directory), Err(Error::Io { .. })));
    assert_eq!(scratch.names(), before);
    assert!(archive.write(Path::new("/proc/nowhere/image.tar")).is_err());
}

#[test]
fn only_full_references_name_an_image_alike_for_every_tool() {
    for full in [
        "quay.io/metallb-rs/speaker:v0.1.0",
        "localhost:5000/a:1",
        "localhost/a_b/c-d:x",
        "r.io/a:V1.0-rc.1",
    ] {
        assert!(is_full_reference(full), "{full}");
    }
    let long_tag = format!("quay.io/a:{}", "x".repeat(129));
    for other in [
        "",
        "a",
        "a:1",
        "metallb/a:1",
        "quay.io/a",
        "quay.io/a:",
        "quay.io/:1",
        "quay.io/A:1",
        "quay.io/a b:1",
        &long_tag,
    ] {
        assert!(!is_full_reference(other), "{other}");
    }
}
