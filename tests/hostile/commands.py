"""Every command that opens a kind of file, as it is typed. NEW stands for an output; nothing must be left of it."""

from __future__ import annotations

BACKBONE = "--backbone osnet_x0_25 --weights none --device cpu"

COMMANDS: dict[str, tuple[str, ...]] = {
    "crops": (
        "info crops.h5",
        "info crops.h5 --json",
        "embed crops.h5 --model model --device cpu --workers 0 -o NEW.emb.h5",
        f"train crops.h5 {BACKBONE} --epochs 1 -o NEW-model",
        "export crops.h5 -o NEW-coco",
        "export crops.h5 -o NEW.parquet",
        "crop manifest.csv -o crops.h5 --append --max-errors 1",
        "crop crops.h5 -o NEW.h5",
        "crop crops.h5 --check",
        "search crops.h5 -o NEW.h5",
        "evaluate crops.h5",
        "show ranking.h5 --crops crops.h5 --query 0 -o NEW.png",
        "evaluate ranking.h5 --report NEW-report --crops crops.h5",
    ),
    "embeddings": (
        "info embeddings.h5",
        "info embeddings.h5 --json",
        "search embeddings.h5 -o NEW.h5 --device cpu",
        "search embeddings.h5 embeddings.h5 -o NEW.h5 --device cpu",
        "search embeddings.h5 --image photo.jpg --device cpu",
        "rerank ranking.h5 -o NEW.h5 --device cpu",
        "rerank ranking.h5 --embeddings embeddings.h5 -o NEW.h5 --device cpu",
        "evaluate embeddings.h5 --device cpu",
        "evaluate embeddings.h5 --rerank --device cpu",
        "export embeddings.h5 -o NEW.parquet",
        "export embeddings.h5 -o NEW-coco",
        f"train embeddings.h5 {BACKBONE} --epochs 1 -o NEW-model",
        "show ranking.h5 --query 0 -o NEW.png",
        "embed crops.h5 --model model --device cpu --workers 0 --append -o embeddings.h5",
    ),
    "ranking": (
        "info ranking.h5",
        "info ranking.h5 --json",
        "rerank ranking.h5 -o NEW.h5 --device cpu",
        "evaluate ranking.h5",
        "evaluate ranking.h5 --per-category --hits product --k 1",
        "evaluate ranking.h5 --report NEW-report",
        "show ranking.h5 --query 0 -o NEW.png",
        "search ranking.h5 -o NEW.h5",
        "export ranking.h5 -o NEW-coco",
    ),
}

# one command for each way that a kind of file is read
QUICK: dict[str, tuple[str, ...]] = {
    "crops": ("info crops.h5 --json", "embed crops.h5 --model model --device cpu --workers 0 -o NEW.emb.h5",
              "export crops.h5 -o NEW-coco"),
    "embeddings": ("info embeddings.h5 --json", "search embeddings.h5 -o NEW.h5 --device cpu",
                   "search embeddings.h5 --image photo.jpg --device cpu", "export embeddings.h5 -o NEW.parquet"),
    "ranking": ("info ranking.h5 --json", "rerank ranking.h5 -o NEW.h5 --device cpu",
                "evaluate ranking.h5 --hits product --k 1"),
}  # fmt: skip
