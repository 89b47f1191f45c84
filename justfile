# The obvious commands; CI runs the same lines.

[doc("Everything that can be run")]
default:
    @just --list --unsorted

[doc("Run Qi: `just run publishes --failed`")]
run *arguments:
    uv run qi {{ arguments }}

[doc("All tests, in parallel; `just test -k replay` for some")]
test *arguments:
    uv run pytest {{ arguments }}

[doc("Style, types, import layers")]
lint:
    uv run ruff check .
    uv run mypy
    uv run lint-imports

[doc("The Command Center's pages, served from their sources before a studio's server: QI_SERVER=http://127.0.0.1:PORT")]
ui:
    cd ui && npx vite dev

[doc("Types of the pages, and that they fit the topics; wants Node 22.17 or newer")]
ui-check:
    uv run python scripts/ui_types.py
    cd ui && npm run check

[doc("Write the versions that are installed from now on into pyproject.toml")]
lock:
    uv lock --upgrade --no-config
    uv run python scripts/lock.py

[doc("Benchmarks beside their peers: `just bench` or `just bench rebuild`")]
bench *names:
    uv run python -m bench {{ names }}
