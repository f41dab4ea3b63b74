use super::*;
use crate::clock::ManualClock;

fn pool(workers: usize) -> (Arc<ManualClock>, Pool) {
    let clock = Arc::new(ManualClock::at(0));
    (Arc::clone(&clock), Pool::start(workers, clock))
}

#[tokio::test]
async fn a_panic_is_told_and_the_worker_lives() {
    let (_, pool) = pool(1);
    let lane = pool.lane("a");
    let lost = lane.run(|| panic!("on purpose")).await.map(|(): ()| ()).unwrap_err();
    assert!(lost.to_string().contains("lane `a`"), "{lost}");
    assert_eq!(lane.run(|| 7).await.unwrap(), 7);
}

/// One worker, a lane with many tasks that take 10 ms each, a second lane with one: it runs second.
#[tokio::test]
async fn a_busy_lane_does_not_starve_another() {
    let (clock, pool) = pool(1);
    let order = Arc::new(Mutex::new(Vec::new()));
    let (busy, light) = (pool.lane("busy"), pool.lane("light"));
    let (open, gate) = std::sync::mpsc::channel::<()>();
    let first = busy.run(move || gate.recv().is_ok());
    let task = |name: &'static str| {
        let (order, clock) = (Arc::clone(&order), Arc::clone(&clock));
        move || {
            clock.advance(10);
            order.lock().push(name);
        }
    };
    let many: Vec<_> = (0..20).map(|_| busy.run(task("busy"))).collect();
    let one = light.run(task("light"));
    open.send(()).unwrap();
    assert!(first.await.unwrap());
    one.await.unwrap();
    for done in many {
        done.await.unwrap();
    }
    let place = order.lock().iter().position(|name| *name == "light").unwrap();
    assert!(place <= 1, "the light lane waited for {place} tasks");
}

/// One worker, and a task that would hold it until another lane's task has run.
#[tokio::test]
async fn a_long_task_gives_way_to_another_lane() {
    let (clock, pool) = pool(1);
    let (long, light) = (pool.lane("long"), pool.lane("light"));
    let (ran, has_run) = std::sync::mpsc::channel();
    let (open, gate) = std::sync::mpsc::channel::<()>();
    let long = long.run(move || {
        gate.recv().unwrap();
        let mut turns = 0;
        while has_run.try_recv().is_err() {
            clock.advance(10);
            give_way().unwrap();
            turns += 1;
        }
        turns
    });
    let light = light.run(move || ran.send(()).unwrap());
    open.send(()).unwrap();
    light.await.unwrap();
    assert_eq!(long.await.unwrap(), 1);
}

/// Two workers, and a lane that overruns: of its tasks, one runs at a time, and the other worker is free.
#[tokio::test]
async fn a_lane_that_overruns_leaves_workers_to_others() {
    let (clock, pool) = pool(2);
    let (slow, light) = (pool.lane("slow"), pool.lane("light"));
    slow.run(overran).await.unwrap();
    let (began, begins) = std::sync::mpsc::channel();
    let (open, gate) = std::sync::mpsc::channel::<()>();
    let gate = Arc::new(Mutex::new(gate));
    let blocked = [(); 2].map(|()| {
        let (began, gate) = (began.clone(), Arc::clone(&gate));
        slow.run(move || {
            began.send(()).unwrap();
            gate.lock().recv().unwrap();
        })
    });
    begins.recv().unwrap();
    light.run(|| ()).await.unwrap();
    assert!(begins.try_recv().is_err(), "both workers are with the lane that overran");
    clock.advance(RESTRAINT.as_millis() as i64);
    let light = light.run(|| ());
    begins.recv().unwrap();
    open.send(()).unwrap();
    open.send(()).unwrap();
    light.await.unwrap();
    for done in blocked {
        done.await.unwrap();
    }
}

/// One worker, and a task that stands aside while another lane's holds it.
#[tokio::test]
async fn a_task_that_stands_aside_goes_on_when_its_lane_is_dropped_and_when_the_pool_stops() {
    for stops in [false, true] {
        let (clock, pool) = pool(1);
        let (long, other) = (pool.lane("long"), pool.lane("other"));
        let (first, gate_of_first) = std::sync::mpsc::channel::<()>();
        let (second, gate_of_second) = std::sync::mpsc::channel::<()>();
        let (began, begins) = std::sync::mpsc::channel();
        let aside = long.run(move || {
            gate_of_first.recv().unwrap();
            clock.advance(10);
            give_way().unwrap();
            7
        });
        let holds = other.run(move || {
            began.send(()).unwrap();
            gate_of_second.recv().unwrap();
        });
        first.send(()).unwrap();
        begins.recv().unwrap();
        if stops {
            let stopping = std::thread::spawn(move || pool.stop());
            assert_eq!(aside.await.unwrap(), 7);
            second.send(()).unwrap();
            stopping.join().unwrap();
        } else {
            drop(long);
            second.send(()).unwrap();
            assert_eq!(aside.await.unwrap(), 7);
        }
        holds.await.unwrap();
    }
}

#[tokio::test]
async fn a_task_that_nobody_waits_for_is_told_to_end() {
    let (_, pool) = pool(1);
    let lane = pool.lane("a");
    let (told, tells) = std::sync::mpsc::channel();
    let (open, gate) = std::sync::mpsc::channel::<()>();
    let task = lane.run(move || {
        gate.recv().unwrap();
        told.send(give_way().is_err()).unwrap();
    });
    drop(task);
    drop(lane);
    // Whether it has begun or not: then it does not begin any more.
    let _ = open.send(());
    assert!(tells.recv().unwrap_or(true));
}

#[tokio::test]
async fn without_threads_tasks_run_in_order_of_submission() {
    let (_, pool) = pool(0);
    let lane = pool.lane("a");
    let order = Arc::new(Mutex::new(Vec::new()));
    let tasks: Vec<_> = (0..5)
        .map(|index| {
            let order = Arc::clone(&order);
            lane.run(move || order.lock().push(index))
        })
        .collect();
    for done in tasks {
        done.await.unwrap();
    }
    assert_eq!(*order.lock(), [0, 1, 2, 3, 4]);
}
