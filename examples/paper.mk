# The tables of "A Strong Baseline for Fashion Retrieval with Person Re-Identification Models" (arXiv 2003.04094),
# each from raw data to the printed table. Included by street2shop.mk and deepfashion.mk, which set:
#
#   DATASET     name of the public dataset          ROOT        its folder
#   OTHER       the other dataset's recipe          OTHER_ROOT  its folder (table 8 alone)
#   LAYOUT      name of its drawn miniature         OUT         folder for everything that is made
#   CROP        flags of `fashret crop`             SHOWN       flags of `fashret evaluate`: the paper's measures
#   PUBLISHED   what is known of the paper's own scores
#   MORE        targets beside the tables that `tiny` makes too
#
# FORM=-raw takes the metric losses as public code has them, on raw features; FORM= on features of length 1. Recipes and
# settings of re-ranking are named here, so that no default moves the tables.
#
# Every stage runs once, whatever tables ask for it; -j runs them side by side; -n shows the plan. A name is there only
# when its file is whole, and a run that was killed resumes where it stopped.

FASHRET ?= fashret
FORM ?= -raw
RERANKING := --method k-reciprocal --settings published --k1 20 --k2 6 --lambda 0.3
TRAIN ?=
EMBED ?=
TINY_PRODUCTS ?= 36
this := $(firstword $(MAKEFILE_LIST))
examples := $(dir $(lastword $(MAKEFILE_LIST)))

# --- the models: name, what `fashret train` is told, the crops' longer side ---

backbone = --backbone $(or $(STAND_IN),$1)
stretched := --input $(or $(SMALL),256x128) --fit stretch

train.osnet-ain := --recipe osnet-ain $(if $(STAND_IN),--input $(SMALL) $(call backbone))
train.resnet50 := --recipe rst$(FORM) $(stretched) $(call backbone,resnet50)
train.resnet50-ibn-a := --recipe rst$(FORM) $(stretched) $(call backbone,resnet50_ibn_a)
train.se-resnext50 := --recipe rst$(FORM) $(stretched) $(call backbone,se_resnext50_32x4d)
train.efficientnet-b2 := --recipe rst$(FORM) $(stretched) $(call backbone,efficientnet_b2)
train.efficientnet-b4 := --recipe rst$(FORM) $(stretched) $(call backbone,efficientnet_b4)
train.triplet := --recipe rst-triplet$(FORM) $(stretched) $(call backbone,resnet50_ibn_a)
train.best := --recipe rst$(FORM) $(call backbone,resnet50_ibn_a) --input $(or $(MEDIUM),320x320)
train.large := --recipe rst$(FORM) $(call backbone,resnet50_ibn_a) --input $(or $(LARGE),480x480)
MODELS := osnet-ain resnet50 resnet50-ibn-a se-resnext50 efficientnet-b2 efficientnet-b4 triplet best large

size.large := 480
crops = $(OUT)/crops-$(or $(size.$1),320).h5
emb = $(1:%=$(OUT)/%/emb.h5)
ranking = $(1:%=$(OUT)/%/ranking.h5)

# --- which models a table compares ---

about.1 := RST against OSNet-AIN, 256x128
runs.1 := $(call ranking,osnet-ain resnet50-ibn-a)
about.2 := Backbones, 256x128, quadruplet loss
runs.2 := $(call ranking,resnet50 resnet50-ibn-a se-resnext50 efficientnet-b2 efficientnet-b4)
about.3 := Triplet and quadruplet loss, 256x128
runs.3 := $(call ranking,triplet resnet50-ibn-a)
about.4 := Input sizes
runs.4 := $(call ranking,resnet50-ibn-a best large)
flags.4 = --size-plot $(OUT)/table4.svg
about.5 := The best model without and with re-ranking
runs.5 := $(OUT)/best/ranking.h5 $(OUT)/best/reranked.h5
about.6 := Street2Shop, the best model, by category
runs.6 := $(OUT)/best/ranking.h5
about.7 := DeepFashion Consumer-to-Shop, the best model
runs.7 := $(OUT)/best/ranking.h5
about.8 := Cross-domain: trained on one dataset, tested on the other
runs.8 := $(OUT)/best/emb.h5 $(OUT)/best-on-other/emb.h5 $(OUT)/other/best/emb.h5 $(OUT)/other/best-on-other/emb.h5
flags.8 := --cross-domain --rerank $(RERANKING) --resume

# --- what to type ---

TABLES ?= 1 2 3 4 5 6 7 8
OTHERS := $(filter-out $(TABLES),1 2 3 4 5 6 7 8)
.PHONY: help all tiny other $(TABLES:%=table%) $(OTHERS:%=table%)
.DELETE_ON_ERROR:
.SECONDARY:

help:
	@echo "make -f $(this) table1 … table8 ROOT=$(ROOT)    $(DATASET), into $(OUT)/"
	@echo "make -f $(this) tiny                            all of it on a drawn miniature, in two minutes"

all: $(TABLES:%=table%)

define table_rules
table$1: $(OUT)/table$1.txt
	@echo; echo 'Table $1. $$(about.$1)'; cat $$<; echo 'The paper: $(PUBLISHED)'
$(OUT)/table$1.txt: $$(runs.$1)
	$(FASHRET) evaluate $$^ $(SHOWN) $$(flags.$1) > $$@.partial
	@mv $$@.partial $$@
endef
$(foreach n,$(TABLES),$(eval $(call table_rules,$n)))

# a table that is the other dataset's alone, by its own recipe; after `other`, since table 8 makes the same files
$(OTHERS:%=table%): other
	+$(other_make) $@

# --- the stages ---

$(OUT):
	@mkdir -p $@

$(OUT)/crops-%.h5: | $(OUT)
	$(FASHRET) crop $(DATASET) --root $(ROOT) --size $* $(CROP) --resume -o $@

define model_rules
$(OUT)/$1/model/model.json: $(call crops,$1)
	@mkdir -p $$(dir $$(@D))
	$(FASHRET) train $$< $(train.$1) $(TRAIN) $$(if $$(wildcard $$(@D)/checkpoints/last.pt),--resume) -o $$(@D)
$(OUT)/$1/emb.h5: $(call crops,$1) $(OUT)/$1/model/model.json
	$(FASHRET) embed $$< --model $(OUT)/$1/model $(EMBED) --resume -o $$@
endef
$(foreach m,$(MODELS),$(eval $(call model_rules,$m)))

$(OUT)/%/ranking.h5: $(OUT)/%/emb.h5
	$(FASHRET) search $< -o $@

$(OUT)/%/reranked.h5: $(OUT)/%/ranking.h5
	$(FASHRET) rerank $< $(RERANKING) --resume -o $@

# --- table 8: the other dataset's best model and crops, by that dataset's own recipe ---

other_make = $(MAKE) -f $(examples)$(OTHER).mk ROOT=$(OTHER_ROOT) OUT=$(OUT)/other

$(OUT)/other/best/emb.h5: other ;

other: | $(OUT)
	+$(other_make) $(OUT)/other/best/emb.h5

$(OUT)/best-on-other/emb.h5: $(OUT)/best/model/model.json $(OUT)/other/best/emb.h5
	@mkdir -p $(@D)
	$(FASHRET) embed $(OUT)/other/crops-320.h5 --model $(OUT)/best/model $(EMBED) --resume -o $@

$(OUT)/other/best-on-other/emb.h5: $(OUT)/other/best/emb.h5 $(call crops,best)
	@mkdir -p $(@D)
	$(FASHRET) embed $(call crops,best) --model $(OUT)/other/best/model $(EMBED) --resume -o $@

# --- the miniature: every stage and table, with small networks that hardly train ---

tiny_out := $(OUT)-tiny
tiny_train := --weights none --epochs 1 --batch-products 8 --batch-images 2 --validate-every 0 --workers 0

tiny_detector := --architecture ssdlite320_mobilenet_v3_large --side 128 --batch-size 4 --epochs 1 --validate-every 0

tiny_make = OMP_NUM_THREADS=1 $(MAKE) $(if $(filter -j%,$(MAKEFLAGS)),,-j2) --no-print-directory -f $(this)

tiny:
	+$(tiny_make) OUT=$(OUT) $(tiny_out)/drawn $(tiny_out)/drawn-other
	+$(tiny_make) all $(MORE) \
	    ROOT=$(tiny_out)/photos OUT=$(tiny_out)/made OTHER_ROOT=$(tiny_out)/photos-other STAND_IN=small \
	    SMALL=64x32 MEDIUM=64x64 LARGE=96x96 TRAIN='$(tiny_train)' EMBED='--workers 0' \
	    DTR_SIDE=64 DTR_WHITEN=16 DTR_DETECTOR='$(tiny_detector)' \
	    PUBLISHED='nothing to compare with: a drawn miniature, the network `small` in place of every backbone.'

$(tiny_out)/drawn:
	@mkdir -p $(@D)
	$(FASHRET) demo $(tiny_out)/photos --layout $(LAYOUT) --products $(TINY_PRODUCTS) --workers 1
	@touch $@

$(tiny_out)/drawn-other:
	@mkdir -p $(@D)
	$(FASHRET) demo $(tiny_out)/photos-other --layout $(OTHER) --products $(TINY_PRODUCTS) --seed 1 --workers 1
	@touch $@
