"""The files that pass between the stages; the only package that opens HDF5, safetensors and manifests."""
