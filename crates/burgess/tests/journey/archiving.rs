//! `burgess audit archive`, on the machine itself.

use std::process::{Command, Output};

use crate::house::{House, said};

fn archive(house: &House, until: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_burgess"))
        .args(["audit", "archive", "--config", "burgess.toml"])
        .args(["--data", "data", "--kek-file", "kek"])
        .args(until)
        .current_dir(house.folder.path())
        .output()
        .unwrap()
}

fn asked(house: &House) {
    let done = archive(house, &[]);
    assert_eq!(done.status.code(), Some(0), "{}", said(&done));
    let text = String::from_utf8(done.stdout).unwrap();
    assert_eq!(text, "nothing waits: all of these days is archived\n");
    let told = archive(house, &["--format", "json"]);
    let told: serde_json::Value = serde_json::from_slice(&told.stdout).unwrap();
    assert_eq!(told, serde_json::json!({ "sealed": [], "copied": [] }));
    for (day, complaint) in [
        ("yesterday", "`yesterday` is not a day: write it as 2"),
        ("2999-01-01", "`2999-01-01` is not a day that has ended: "),
    ] {
        let refused = archive(house, &["--until", day]);
        assert_eq!(refused.status.code(), Some(2), "{day}");
        assert!(said(&refused).contains(complaint), "{}", said(&refused));
    }
}

#[test]
fn the_archive_is_asked_for_on_demand_and_a_bad_day_is_refused_in_words() {
    let house = House::build("127.0.0.1:9".parse().unwrap(), "");
    let mut running = house.start();
    asked(&house);
    let doctor = said(&house.verb("doctor").output().unwrap());
    assert!(doctor.contains("no witness cosigns"), "{doctor}");
    assert!(!doctor.contains("shard"), "{doctor}");
    let rotate = || {
        let turned = house
            .command("ledger")
            .args(["rotate", "--config", "burgess.toml", "--data", "data"])
            .args(["--kek-file", "kek", "--format", "json"])
            .output()
            .unwrap();
        assert_eq!(turned.status.code(), Some(0), "{}", said(&turned));
        let told: serde_json::Value = serde_json::from_slice(&turned.stdout).unwrap();
        assert!(told["vkey"].as_str().unwrap().contains('+'), "{told}");
        told["shard"].as_str().unwrap().to_owned()
    };
    assert_eq!(rotate(), "main-2");
    running.stop();
    asked(&house);
    assert_eq!(rotate(), "main-3", "without a server, too");
}
