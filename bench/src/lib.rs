//! Measures short pieces of work side by side.
//!
//! Each piece gets a slice of a millisecond in turn, a few hundred times, and the median of its
//! slices counts: whatever else the machine does meanwhile meets all of them alike, so their
//! ratios hold although the times don't.

use std::time::Instant;

/// Slices for each piece.
const ROUNDS: usize = 400;
/// Length of a slice in seconds.
const SLICE: f64 = 0.001;

/// A piece of work with its name.
pub type Piece<'a> = (&'a str, Box<dyn FnMut() + 'a>);

/// Prints the median time of each piece, and how it compares with the first one.
pub fn side_by_side(title: &str, mut pieces: Vec<Piece<'_>>) {
    let lengths: Vec<_> = pieces.iter_mut().map(|(_, work)| length(work)).collect();
    let mut times = vec![Vec::with_capacity(ROUNDS); pieces.len()];
    for _ in 0..ROUNDS {
        for ((times, length), (_, work)) in times.iter_mut().zip(&lengths).zip(&mut pieces) {
            times.push(time(work, *length));
        }
    }
    println!("\n{title}");
    let medians: Vec<_> = times.into_iter().map(median).collect();
    for ((name, _), median) in pieces.iter().zip(&medians) {
        let ratio = median / medians[0];
        println!("  {:>9.3} us  {ratio:>6.2}  {name}", median * 1e6);
    }
}

/// How often a piece runs in one slice.
fn length(work: &mut dyn FnMut()) -> usize {
    let once = time(work, 1000) + 1e-9;
    ((SLICE / once) as usize).max(1)
}

/// Seconds for each of several runs.
fn time(work: &mut dyn FnMut(), times: usize) -> f64 {
    let start = Instant::now();
    for _ in 0..times {
        work();
    }
    start.elapsed().as_secs_f64() / times as f64
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
