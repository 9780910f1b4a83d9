"""The names that an option can be given, each list written once.

In: nothing. Out: tuples of names, in the order in which help shows them; those of re-rankings are in
`fashret.reranking.methods`, which loads nothing else either. Options take their choices from here, and so
do the modules that give the names a meaning; where that is a table of builders, a test compares its keys. Importing
this module loads nothing else: `fashret --help` shows the names without torch.
"""

from __future__ import annotations

# photos and crops
ENCODINGS = ("jpeg", "raw")
FRAMES = ("stored", "upright", "ignore")  # what boxes are in pixels of, or that whole photos are taken
LAYOUTS = ("street2shop", "deepfashion", "deepfashion2")  # public datasets' layouts that the demo can be drawn in

# networks
BACKBONES = (
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet101",
    "resnet152",
    "resnet50_ibn_a",
    "se_resnext50_32x4d",
    "efficientnet_b2",
    "efficientnet_b4",
    "efficientnet_lite0",
    "osnet_x1_0",
    "osnet_x0_75",
    "osnet_x0_5",
    "osnet_x0_25",
    "osnet_ain_x1_0",
    "small",
)
STRIDED = tuple(name for name in BACKBONES if name != "small" and not name.startswith("osnet"))  # in their last stage
PRESETS = (
    "fashion-siglip",
    "fashion-clip",
    "marqo-fashion-clip",
    "moda",
    "moda-512d",
    "moda-matryoshka",
    "moda-vision",
    "siglip2-b",
    "siglip2-l",
    "siglip2-so400m",
    "gr-lite",
    "gr-lite-rope",
    "dinov3-s",
    "dinov3-b",
    "dinov3-l",
    "pe-core-b",
    "pe-core-l",
)  # published models with their own preprocessing
POOLINGS = ("avg", "max", "gem", "rmac", "rmac-learned", "cls", "own")
NECKS = ("bnneck", "none")
FEATURES = ("after", "before")  # the neck
FITS = ("stretch", "pad", "crop", "crop-floor")
RESAMPLINGS = ("bilinear", "bicubic")
ARCHITECTURES = (  # of detectors
    "ssdlite320_mobilenet_v3_large",
    "fasterrcnn_mobilenet_v3_large_320_fpn",
    "fasterrcnn_resnet50_fpn_v2",
    "maskrcnn_resnet50_fpn_v2",
    "retinanet_resnet50_fpn_v2",
    "fcos_resnet50_fpn",
)
ANNOTATED = ("auto", "all", "one")  # garments of a photo that have boxes
PRECISIONS = ("float32", "bf16", "fp16")
RESULTS = (".jsonl", ".csv")  # endings of what is found for many photos
VECTOR_TYPES = ("float32", "float16")

# training
LOSSES = (
    "softmax",
    "triplet",
    "quadruplet",
    "center",
    "centroid-triplet",
    "arcface",
    "circle",
    "smooth-ap",
    "ap",
)
MISSING = ("resample", "mask", "refuse")  # what becomes of a product of fewer than K images
OPTIMISERS = ("adam", "amsgrad", "adamw", "sgd")
SCHEDULES = ("step", "cosine", "constant")
DECIDING_SCORES = ("mAP", "Acc@1")  # that can choose the best checkpoint

# detectors
ROLES = ("train", "query", "gallery", "val_query", "val_gallery")  # as tables have them
DETECT = ("missing", "shop", "street", "all")  # rows of which `crop` has the boxes found
LABELS = ("street2shop", "deepfashion2", "modanet")  # datasets whose words classes can be called by

# searches and scores
METRICS = ("cosine", "euclidean")
SETTINGS = ("auto", "published")  # of k-reciprocal re-ranking
HITS = ("image", "product")
PROTOCOLS = ("deepfashion2",)  # of evaluations from photos
COLLAPSES = ("photo", "product")  # what gallery rows are ranked as, in place of themselves
