"""The desktop: windows of the Command Center, the tray, and what opens and closes them."""
