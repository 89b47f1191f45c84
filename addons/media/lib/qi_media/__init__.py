"""What the media plugins share. OpenImageIO and PyAV are imported where they are used: finding plugins stays quick."""
