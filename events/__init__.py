"""The log and the pure domains: records, stores, projections; bundles, settings, publishes, versions.

Nothing here knows a bus or an actor. Import what you need from the module that defines it.
"""
