"""`python scripts/tour_viewer.py FRAME`: shows a frame, and where it was launched: the tour's application."""

from __future__ import annotations

import os
import sys

import numpy as np
import OpenImageIO
from PySide6.QtGui import QImage, QPixmap
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLabel, QVBoxLayout, QWidget

PLACE = (864, 428)
WIDTH = 448
LOOK = """
#viewer { border: 1px solid #39404f }
QWidget { background: #0b0d12; color: #d5d9e2; font-family: 'DejaVu Sans'; font-size: 12px }
"""


def main() -> None:
    app = QApplication(sys.argv)
    linear = OpenImageIO.ImageBuf(sys.argv[1]).get_pixels(OpenImageIO.FLOAT)[..., :3].clip(0, 1)
    pixels = np.ascontiguousarray(linear ** (1 / 2.2) * 255).astype(np.uint8)
    height, width, _ = pixels.shape
    shown = QPixmap.fromImage(QImage(pixels.data, width, height, 3 * width, QImage.Format.Format_RGB888))
    frame = QLabel()
    frame.setPixmap(shown.scaledToWidth(WIDTH))
    window = QWidget()
    window.setWindowTitle("Viewer")
    window.setObjectName("viewer")
    window.setStyleSheet(LOOK)
    rows = QVBoxLayout(window)
    rows.addWidget(QLabel(" · ".join(os.environ[name] for name in ("QI_PROJECT", "QI_ENTITY", "QI_TASK"))))
    rows.addWidget(frame)
    window.move(*PLACE)
    window.show()
    QTest.qWaitForWindowExposed(window)
    app.sync()
    # What it prints is in the log of its launch.
    print("shown", flush=True)  # noqa: T201
    app.exec()


if __name__ == "__main__":
    main()
