memray run --output peak.bin loaded.py
memray summary peak.bin
