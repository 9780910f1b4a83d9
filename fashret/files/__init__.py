"""The files that pass between the stages; the only package that opens HDF5, safetensors and manifests.

writing and reading     atomic (complete or not at all) · digests · hdf5 · columns (one row per photo, box, product)
files of the pipeline   crops · embeddings · rankings · models · training_log
interrupted runs        resume (the rule) · record_log (finished rows) · saved_arrays · row_errors (what failed)
what is cropped         manifests (public datasets) · catalogues · catalogue_tables · parquet
photos                  photo_sources · photos · streams · jpeg
"""
