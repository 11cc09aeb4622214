memray run --force --output peak.bin loaded.py
memray summary peak.bin
