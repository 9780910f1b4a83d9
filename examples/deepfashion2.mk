# DeepFashion2 from the customer's photo to the shop (the pipeline of "An Effective Pipeline for a Real-world Clothes
# Retrieval System", arXiv 2005.12739): five detectors fused, two embeddings joined, and each post-processing with and
# without, by the dataset's official rule:
#
#   make -f examples/deepfashion2.mk scores ROOT=/data/deepfashion2
#   make -f examples/deepfashion2.mk results ROOT=/data/deepfashion2      the files that the official evaluation reads
#   make -f examples/deepfashion2.mk tiny
#
# ROOT holds train/ and validation/, each with image/ and annos/. Two galleries are searched: the annotated boxes of the
# shop's photos, and those that the detectors find in them.
#
# Not known of the paper, and so chosen here: which detectors (DETECTORS, MASKS=), the weight of each (1), the lowest
# score (MIN_SCORE), both backbones (BACKBONES), their recipe and schedule, and the settings of the post-processing.

FASHRET ?= fashret
ROOT ?= /data/deepfashion2
OUT ?= build/deepfashion2
DETECTORS ?= fasterrcnn_mobilenet_v3_large_320_fpn fasterrcnn_resnet50_fpn_v2 maskrcnn_resnet50_fpn_v2 \
    retinanet_resnet50_fpn_v2 fcos_resnet50_fpn
BACKBONES ?= resnet50_ibn_a se_resnext50_32x4d
MIN_SCORE ?= 0.1
INPUT ?= 320x320
SIZE ?= 320
TRAIN ?=
TRAIN_DETECTOR ?=
EMBED ?=
TINY_PRODUCTS ?= 36
this := $(firstword $(MAKEFILE_LIST))

GALLERIES := annotated detected
STEPS := ranking k-reciprocal aqe alpha-qe
detectors := $(DETECTORS:%=$(OUT)/detectors/%)
models := $(BACKBONES:%=$(OUT)/models/%)
rankings := $(foreach g,$(GALLERIES),$(STEPS:%=$(OUT)/$g/%.h5))

.PHONY: help scores results tiny
.DELETE_ON_ERROR:
.SECONDARY:

help:
	@echo "make -f $(this) scores ROOT=$(ROOT)    into $(OUT)/"
	@echo "make -f $(this) tiny    all of it on a drawn miniature, in two minutes"

scores: $(OUT)/scores.txt
	@cat $<

$(OUT)/scores.txt: $(rankings)
	$(FASHRET) evaluate $^ --protocol deepfashion2 --root $(ROOT) > $@.partial
	@mv $@.partial $@

results: $(GALLERIES:%=$(OUT)/%/results.json)

$(OUT)/%/results.json: $(OUT)/%/ranking.h5
	$(FASHRET) evaluate $< --protocol deepfashion2 --root $(ROOT) --results $@

# --- find the garments ---

$(OUT)/detectors/%/detector.json:
	@mkdir -p $(@D)
	$(FASHRET) train-detector deepfashion2 --root $(ROOT) --architecture $* $(TRAIN_DETECTOR) \
	    $(if $(wildcard $(@D)/checkpoints/last.pt),--resume) -o $(@D)

$(OUT)/found.csv: $(detectors:%=%/detector.json)
	$(FASHRET) detect deepfashion2 --root $(ROOT) --role query --role gallery $(detectors:%=--detector %) \
	    --labels deepfashion2 --min-score $(MIN_SCORE) --resume -o $@

# --- embed them ---

$(OUT)/crops-annotated.h5:
	@mkdir -p $(@D)
	$(FASHRET) crop deepfashion2 --root $(ROOT) --size $(SIZE) --resume -o $@

$(OUT)/crops-found.h5: $(OUT)/found.csv
	$(FASHRET) crop $< --root $(ROOT) --size $(SIZE) --resume -o $@

$(OUT)/models/%/model.json: $(OUT)/crops-annotated.h5
	@mkdir -p $(@D)
	$(FASHRET) train $< --recipe rst --backbone $(or $(STAND_IN),$*) --input $(INPUT) $(TRAIN) \
	    $(if $(wildcard $(@D)/checkpoints/last.pt),--resume) -o $(@D)

$(OUT)/emb-%.h5: $(OUT)/crops-%.h5 $(models:%=%/model.json)
	$(FASHRET) embed $< $(models:%=--model %) $(EMBED) --resume -o $@

# --- search both galleries, and what may follow ---

$(OUT)/annotated/ranking.h5: $(OUT)/emb-found.h5 $(OUT)/emb-annotated.h5
	@mkdir -p $(@D)
	$(FASHRET) search $^ -o $@

$(OUT)/detected/ranking.h5: $(OUT)/emb-found.h5
	@mkdir -p $(@D)
	$(FASHRET) search $< -o $@

define after
$(OUT)/%/$1.h5: $(OUT)/%/ranking.h5
	$(FASHRET) rerank $$< --method $1 --resume -o $$@
endef
$(foreach m,$(filter-out ranking,$(STEPS)),$(eval $(call after,$m)))

# --- the miniature: every stage, with small networks that hardly train ---

tiny_out := $(OUT)-tiny
tiny_make = OMP_NUM_THREADS=1 $(MAKE) $(if $(filter -j%,$(MAKEFLAGS)),,-j2) --no-print-directory -f $(this)

tiny: $(tiny_out)/drawn
	+$(tiny_make) scores results ROOT=$(tiny_out)/photos OUT=$(tiny_out)/made STAND_IN=small INPUT=64x64 SIZE=64 \
	    DETECTORS='ssdlite320_mobilenet_v3_large fasterrcnn_mobilenet_v3_large_320_fpn' MIN_SCORE=0.01 \
	    TRAIN='--weights none --epochs 1 --batch-products 8 --batch-images 2 --validate-every 0 --workers 0' \
	    TRAIN_DETECTOR='--side 96 --batch-size 4 --epochs 1 --validate-every 0' EMBED='--workers 0'

$(tiny_out)/drawn:
	@mkdir -p $(@D)
	$(FASHRET) demo $(tiny_out)/photos --layout deepfashion2 --products $(TINY_PRODUCTS) --workers 1
	@touch $@
