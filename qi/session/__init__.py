"""What runs inside a DCC or a worker: pure Python, nothing compiled."""
