"""Photos: the one way from their bytes to upright crops in memory.

which and where     kinds (by their first bytes) · names · sources (a root that no path leaves) · in_parquet
bytes to pixels     decoder (limits) · jpeg · picture (RGB on white) · orientation · box_frames
crops               cuts (of one photo) · streams (of many, in order) · workers
"""
