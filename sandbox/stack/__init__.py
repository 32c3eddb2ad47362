"""PostgreSQL, Valkey and the site's own processes on one machine, for the demo and the tests.

`python -m sandbox.stack demo` runs everything; `python -m sandbox.stack run -- COMMAND` runs one command
beside a PostgreSQL and a Valkey of its own. Nothing here is meant for production.
"""
