;; WASI preview 1 inside a component, so that a plugin of a tool chain that always asks for it imports nothing.
;; Nothing of the machine is behind it. **The same calls get the same answers**: the wall clock stands at 0, the other
;; clock goes on with each look at it, random numbers are always the same, output goes nowhere. Stopping traps.
(module
  (import "env" "memory" (memory 0))

  ;; The runtime of Go refuses a clock that stands at 0.
  (global $monotonic (mut i64) (i64.const 1))
  (global $random (mut i64) (i64.const 0x2545F4914F6CDD1D))

  ;; "badf" and "nosys", as preview 1 numbers them.
  (func $badf (result i32) (i32.const 8))
  (func $nosys (result i32) (i32.const 52))

  (func $two_zeros (param $a i32) (param $b i32) (result i32)
    (i32.store (local.get $a) (i32.const 0))
    (i32.store (local.get $b) (i32.const 0))
    (i32.const 0))
  (func (export "args_get") (param i32 i32) (result i32) (i32.const 0))
  (func (export "args_sizes_get") (param i32 i32) (result i32) (call $two_zeros (local.get 0) (local.get 1)))
  (func (export "environ_get") (param i32 i32) (result i32) (i32.const 0))
  (func (export "environ_sizes_get") (param i32 i32) (result i32) (call $two_zeros (local.get 0) (local.get 1)))

  (func (export "clock_res_get") (param $clock i32) (param $to i32) (result i32)
    (i64.store (local.get $to) (i64.const 1000))
    (i32.const 0))
  (func (export "clock_time_get") (param $clock i32) (param $precision i64) (param $to i32) (result i32)
    (global.set $monotonic (i64.add (global.get $monotonic) (i64.const 1000)))
    (i64.store (local.get $to)
      (select (global.get $monotonic) (i64.const 0) (local.get $clock)))
    (i32.const 0))

  ;; Whoever waits for a time is at it at once.
  (func (export "poll_oneoff") (param $in i32) (param $out i32) (param $count i32) (param $events i32) (result i32)
    (if (i32.and (i32.ne (local.get $count) (i32.const 0)) (i32.eqz (i32.load8_u offset=8 (local.get $in))))
      (then
        (if (i64.ge_s (i64.load offset=24 (local.get $in)) (i64.const 0))
          (then
            (global.set $monotonic (i64.add (global.get $monotonic) (i64.load offset=24 (local.get $in))))))))
    (i32.store (local.get $events) (i32.const 0))
    (i32.const 0))
  (func (export "sched_yield") (result i32) (i32.const 0))

  (func (export "random_get") (param $to i32) (param $length i32) (result i32) (local $word i64)
    (block $done
      (loop $next
        (br_if $done (i32.eqz (local.get $length)))
        (local.set $word (global.get $random))
        (local.set $word (i64.xor (local.get $word) (i64.shl (local.get $word) (i64.const 13))))
        (local.set $word (i64.xor (local.get $word) (i64.shr_u (local.get $word) (i64.const 7))))
        (local.set $word (i64.xor (local.get $word) (i64.shl (local.get $word) (i64.const 17))))
        (global.set $random (local.get $word))
        (i64.store8 (local.get $to) (i64.shr_u (local.get $word) (i64.const 24)))
        (local.set $to (i32.add (local.get $to) (i32.const 1)))
        (local.set $length (i32.sub (local.get $length) (i32.const 1)))
        (br $next)))
    (i32.const 0))

  ;; All of it was written, says the sum of the lengths.
  (func (export "fd_write") (param $fd i32) (param $list i32) (param $count i32) (param $written i32) (result i32)
    (local $sum i32)
    (block $done
      (loop $next
        (br_if $done (i32.eqz (local.get $count)))
        (local.set $sum (i32.add (local.get $sum) (i32.load offset=4 (local.get $list))))
        (local.set $list (i32.add (local.get $list) (i32.const 8)))
        (local.set $count (i32.sub (local.get $count) (i32.const 1)))
        (br $next)))
    (i32.store (local.get $written) (local.get $sum))
    (i32.const 0))
  ;; The three standard streams are there, as character devices.
  (func (export "fd_fdstat_get") (param $fd i32) (param $to i32) (result i32)
    (if (i32.gt_u (local.get $fd) (i32.const 2)) (then (return (call $badf))))
    (i64.store (local.get $to) (i64.const 2))
    (i64.store offset=8 (local.get $to) (i64.const -1))
    (i64.store offset=16 (local.get $to) (i64.const -1))
    (i32.const 0))
  (func (export "fd_fdstat_set_flags") (param i32 i32) (result i32) (i32.const 0))
  (func (export "fd_close") (param i32) (result i32) (i32.const 0))
  (func (export "fd_read") (param $fd i32) (param $list i32) (param $count i32) (param $read i32) (result i32)
    (i32.store (local.get $read) (i32.const 0))
    (i32.const 0))

  (func (export "proc_exit") (param i32) unreachable)
  (func (export "proc_raise") (param i32) (result i32) unreachable)

  (func (export "fd_prestat_get") (param i32 i32) (result i32) (call $badf))
  (func (export "fd_prestat_dir_name") (param i32 i32 i32) (result i32) (call $badf))
  (func (export "fd_advise") (param i32 i64 i64 i32) (result i32) (call $nosys))
  (func (export "fd_allocate") (param i32 i64 i64) (result i32) (call $nosys))
  (func (export "fd_datasync") (param i32) (result i32) (call $nosys))
  (func (export "fd_fdstat_set_rights") (param i32 i64 i64) (result i32) (call $nosys))
  (func (export "fd_filestat_get") (param i32 i32) (result i32) (call $nosys))
  (func (export "fd_filestat_set_size") (param i32 i64) (result i32) (call $nosys))
  (func (export "fd_filestat_set_times") (param i32 i64 i64 i32) (result i32) (call $nosys))
  (func (export "fd_pread") (param i32 i32 i32 i64 i32) (result i32) (call $nosys))
  (func (export "fd_pwrite") (param i32 i32 i32 i64 i32) (result i32) (call $nosys))
  (func (export "fd_readdir") (param i32 i32 i32 i64 i32) (result i32) (call $nosys))
  (func (export "fd_renumber") (param i32 i32) (result i32) (call $nosys))
  (func (export "fd_seek") (param i32 i64 i32 i32) (result i32) (call $nosys))
  (func (export "fd_sync") (param i32) (result i32) (call $nosys))
  (func (export "fd_tell") (param i32 i32) (result i32) (call $nosys))
  (func (export "path_create_directory") (param i32 i32 i32) (result i32) (call $nosys))
  (func (export "path_filestat_get") (param i32 i32 i32 i32 i32) (result i32) (call $nosys))
  (func (export "path_filestat_set_times") (param i32 i32 i32 i32 i64 i64 i32) (result i32) (call $nosys))
  (func (export "path_link") (param i32 i32 i32 i32 i32 i32 i32) (result i32) (call $nosys))
  (func (export "path_open") (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32) (call $nosys))
  (func (export "path_readlink") (param i32 i32 i32 i32 i32 i32) (result i32) (call $nosys))
  (func (export "path_remove_directory") (param i32 i32 i32) (result i32) (call $nosys))
  (func (export "path_rename") (param i32 i32 i32 i32 i32 i32) (result i32) (call $nosys))
  (func (export "path_symlink") (param i32 i32 i32 i32 i32) (result i32) (call $nosys))
  (func (export "path_unlink_file") (param i32 i32 i32) (result i32) (call $nosys))
  (func (export "sock_accept") (param i32 i32 i32) (result i32) (call $nosys))
  (func (export "sock_recv") (param i32 i32 i32 i32 i32 i32) (result i32) (call $nosys))
  (func (export "sock_send") (param i32 i32 i32 i32 i32) (result i32) (call $nosys))
  (func (export "sock_shutdown") (param i32 i32) (result i32) (call $nosys)))
