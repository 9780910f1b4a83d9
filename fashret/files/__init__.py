"""The files that pass between the stages; the only package that opens HDF5, safetensors and manifests.

writing and reading     atomic (complete or not at all) · locks · digests · hdf5 · columns (one row per box)
files of the pipeline   crops · embeddings · rankings · models · training_log
interrupted runs        resume (the rule) · record_log (finished rows) · saved_arrays · row_errors (what failed)
what people have        tables/ (CSV, Parquet, folders, manifests) · photos/ (from bytes to upright crops)
"""
