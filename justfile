# Each recipe is one line around what the README says.

# list the recipes
default:
    @just --list

# run the suite against the reference, and against qemu where it is installed
run *ARGS:
    cargo run --release -- run {{ARGS}}

# all tests
test:
    cargo test --workspace

# formatting and lints, warnings denied
lint:
    cargo fmt --check && cargo clippy --workspace --all-targets -- -D warnings

# the API documentation, warnings denied
doc:
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps

# labelling on ext4, xfs, btrfs and block devices: needs root and loop devices
disks:
    cargo test -p qconform --test label_disks -- --ignored

# the conformance run of CI: nothing may be skipped
conformance:
    cargo run --release -- run --require id-range,chown,selinux-xattr,security-xattr,no-selinux-kernel,qemu

# the HTML report in a real Chromium (needs chromium, node and npm)
browser:
    bash .ci/browser

# the suite as tests of nextest, in four partitions (needs cargo-nextest)
partitions:
    bash .ci/partitions

# the run of a CI job: a part of the suite and every report that CI shows (`just shard 1/4`)
shard I_N OUTPUT="conformance.out":
    cargo run --release -- run --shard {{I_N}} -o {{OUTPUT}} --report markdown={{OUTPUT}}/summary.md --report badge={{OUTPUT}}/badge.json

# time and memory of rendering 100,000 verdicts in every format
bench-reports:
    bench/render

# speed, as ratios in one run: writing against qemu-img and bare system calls, probing against other crates
bench:
    cd bench && cargo bench

# time of a run, two workers against one, in turn; `just bench-run OLD NEW` compares programs
bench-run *ARGS:
    bench/run {{ARGS}}

# fuzz the reference from the corpus (needs cargo-fuzz): `just fuzz probe -- -max_total_time=600`;
# targets are probe, mapping, domain and names
fuzz TARGET *ARGS:
    cd fuzz && cargo run --release --bin seed && RUSTC_BOOTSTRAP=1 cargo fuzz run {{TARGET}} corpus/{{TARGET}} {{ARGS}}

# mutants of the judge and of the matrix evaluation (needs cargo-mutants): `just mutants --shard 0/8`
mutants *ARGS:
    bash .ci/mutants {{ARGS}}

# everything that CI does
ci:
    bash .ci/run
