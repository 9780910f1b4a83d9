# Detect-then-retrieve (Kucer and Murray): garments are cut out of the shop photos by a detector, trained on the boxes of
# the street photos; descriptors of two networks, one trained with the triplet loss and one with average precision, are
# joined, whitened and compared by cosine; inputs of 800 pixels, regions pooled by R-MAC with a layer that learns. The
# power of whitening is that of its authors' public code. Included by street2shop.mk after paper.mk, whose stages it uses.
#
# Not known here, and so chosen: detector (DTR_DETECTOR), backbone (DTR_BACKBONE), batches and schedule (the recipe
# rst-triplet), and that the statistics of batch normalisation stay as published, since a batch is computed in parts.
#
#   DTR_SIDE=800    input and crops, in pixels        DTR_WHITEN=512    numbers of the joined descriptor

DTR_BACKBONE ?= resnet50
DTR_SIDE ?= 800
DTR_WHITEN ?= 512
DTR_DETECTOR ?= --architecture fasterrcnn_resnet50_fpn_v2

dtr_common = --recipe rst-triplet --pooling rmac-learned --neck none --input $(DTR_SIDE)x$(DTR_SIDE) --fit pad \
    --freeze-bn --accumulate 32 $(call backbone,$(DTR_BACKBONE))
train.rmac-triplet = $(dtr_common) --loss triplet:margin=0.3,normalise=yes
train.rmac-ap = $(dtr_common) --loss ap
DTR_MODELS := rmac-triplet rmac-ap
$(foreach m,$(DTR_MODELS),$(eval size.$m := detected))
$(foreach m,$(DTR_MODELS),$(eval $(call model_rules,$m)))

$(OUT)/detector/detector.json: | $(OUT)
	$(FASHRET) train-detector $(DATASET) --root $(ROOT) $(DTR_DETECTOR) \
	    $(if $(wildcard $(@D)/checkpoints/last.pt),--resume) -o $(@D)

$(OUT)/crops-detected.h5: $(OUT)/detector/detector.json
	$(FASHRET) crop $(DATASET) --root $(ROOT) --size $(DTR_SIDE) --detector $(OUT)/detector --detect shop $(CROP) --resume -o $@

.PHONY: detect-then-retrieve
detect-then-retrieve: $(OUT)/detect-then-retrieve.txt
	@echo; echo 'Detect-then-retrieve: each network, then both joined and whitened'; cat $<

$(OUT)/joined/emb.h5: $(call crops,rmac-ap) $(DTR_MODELS:%=$(OUT)/%/model/model.json)
	@mkdir -p $(@D)
	$(FASHRET) embed $< $(DTR_MODELS:%=--model $(OUT)/%/model) --whiten $(DTR_WHITEN) --whiten-power 0.25 $(EMBED) --resume -o $@

$(OUT)/detect-then-retrieve.txt: $(call ranking,$(DTR_MODELS) joined)
	$(FASHRET) evaluate $^ $(SHOWN) --per-category > $@.partial
	@mv $@.partial $@
