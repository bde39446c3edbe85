# What a person types: build, try, test, install. Nothing else needs make.

BIN = target/release/drowse
PREFIX ?= /usr/local
SCRIPTS = $(shell grep -rlE '^.!/bin/(ba)?sh' .ci tests)

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /  make \1	/p' Makefile

run: build ## build, then list this machine's containers (or a sample, where no engine is found)
	@said=$$(mktemp); $(BIN) ps 2>$$said; status=$$?; \
	if [ $$status = 1 ] && [ -z "$$DROWSE_CONFIG" ] && [ ! -e /etc/drowse/drowse.yml ]; then \
	  echo "$$(cat $$said) (so here is testdata/sample.json)" >&2; \
	  $(BIN) parse testdata/sample.json; status=$$?; \
	else cat $$said >&2; fi; \
	rm -f $$said; exit $$status

build: ## the release binary, target/release/drowse
	@cargo build --release --locked

check: ## format, clippy, the house rules, shellcheck if there is one
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	cargo test --locked --quiet --test it house
	@if command -v shellcheck >/dev/null; then shellcheck $(SCRIPTS); \
	else echo "no shellcheck here: the scripts were not checked"; fi

# Most tests wait for engines: one more than the two cores of a small machine.
test: export RUST_TEST_THREADS ?= 3
test: ## everything, with real engines in a throw-away world (tests/world; needs root for those)
	cargo test --locked --no-run
	tests/world cargo test --locked --no-fail-fast

bench: build ## speed, memory and size, as ratios beside curl, docker and jq
	tests/bench/run

install: build ## into $(DESTDIR)$(PREFIX): bin/drowse and lib/systemd/system/drowse.service
	install -Dm755 $(BIN) $(DESTDIR)$(PREFIX)/bin/drowse
	install -d $(DESTDIR)$(PREFIX)/lib/systemd/system
	sed 's|^ExecStart=/usr/local/|ExecStart=$(PREFIX)/|' src/drowse.service \
	  >$(DESTDIR)$(PREFIX)/lib/systemd/system/drowse.service

.PHONY: help run build check test bench install
