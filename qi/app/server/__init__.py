"""The server of the Command Center: HTTP, and one socket a window.

It is a client of the mesh like any other, in a process of its own; who asks through it is who logged in, and the
studio's own services decide what he may.
"""
