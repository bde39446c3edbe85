//! Lists an engine's containers and follows its events with bollard, on one thread. Prints both,
//! parses no labels. Only a peer to be measured.

use std::collections::HashMap;

use bollard::Docker;
use bollard::query_parameters::{EventsOptions, ListContainersOptions};
use futures_util::StreamExt;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(follow())
}

async fn follow() -> Result<(), Box<dyn std::error::Error>> {
    let docker = Docker::connect_with_unix_defaults()?;
    let filters = HashMap::from([("type".to_string(), vec!["container".to_string()])]);
    let mut events =
        docker.events(Some(EventsOptions { filters: Some(filters), ..Default::default() }));
    let all = ListContainersOptions { all: true, ..Default::default() };
    let containers = docker.list_containers(Some(all)).await?;
    for one in &containers {
        println!("{one:?}");
    }
    while let Some(event) = events.next().await {
        println!("{:?}", event?);
    }
    drop(containers);
    Ok(())
}
