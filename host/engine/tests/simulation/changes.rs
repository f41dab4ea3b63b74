//! Pipelines that are applied again: what goes on, and what is refused.

use tidemill_engine::progress::PipelineState;

use crate::world::{NOW_MS, Row, World};

fn file(size: &str) -> String {
    format!(
        "name = 'changed'\ntrigger = 'available-now'\n\
         [[source]]\nname = 'in'\ntopic = 'in'\n\
         [[operator]]\nname = 'counts'\nplugin = 'count'\ninput = 'in'\n\
         window = {{ size = '{size}', slide = '{size}', time = 'event', delay = '5s' }}\n\
         [[sink]]\nname = 'out'\ninput = 'counts'\ntopic = 'out'\n"
    )
}

async fn world_with_a_minute() -> World {
    let world = World::new(3).await;
    world.create_topic("in", 2).await;
    for partition in 0..2 {
        let row = |second: i64| Row {
            key: Some(b"k".to_vec()),
            value: None,
            timestamp: NOW_MS + second * 1_000,
            headers: Vec::new(),
        };
        world.produce("in", partition, &(0..60).map(row).collect::<Vec<_>>()).await;
    }
    world
}

/// All is read in one batch and nothing more will come: the windows that its own event times close are
/// emitted all the same, the others stay.
#[tokio::test(start_paused = true)]
async fn one_batch_closes_the_windows_that_it_has_passed() {
    let world = world_with_a_minute().await;
    assert_eq!(world.run(&file("10s"), 0).await, PipelineState::Finished);
    let emitted = world.rows("out").concat();
    assert_eq!(emitted.len(), 5, "{emitted:?}");
    assert!(!world.state(&file("10s")).await.is_empty(), "the open window is kept");
    assert_eq!(world.run(&file("10s"), 0).await, PipelineState::Finished);
    assert_eq!(world.rows("out").concat(), emitted, "nothing is emitted twice");
}

#[tokio::test(start_paused = true)]
async fn state_of_other_windows_is_refused() {
    let world = world_with_a_minute().await;
    assert_eq!(world.run(&file("20s"), 0).await, PipelineState::Finished);
    let before = world.rows("out");
    let PipelineState::Failed { reason } = world.run(&file("30s"), 0).await else {
        panic!("state of windows of 20 s was taken for windows of 30 s");
    };
    assert!(reason.contains("has state of 20000 ms every 20000 ms by event time"), "{reason}");
    assert!(reason.contains("under a new name"), "{reason}");
    assert_eq!(world.rows("out"), before);
    assert_eq!(world.run(&file("20s"), 0).await, PipelineState::Finished, "the old file goes on");
}
