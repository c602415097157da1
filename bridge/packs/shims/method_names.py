"""What ComfyUI calls the methods of its node classes, and in which order they take their inputs.

Packs call a node of another pack by its method, ``VAEDecode().decode(vae, latents)``; ours are functions.
"""

from collections.abc import Mapping

_NODES: Mapping[str, str] = {
    "addWeighted": "ConditioningAverage",
    "add_noise": "AddNoise",
    "append": (
        "ConditioningSetArea ConditioningSetAreaPercentage ConditioningSetAreaStrength "
        "ConditioningSetMask GLIGENTextBoxApply"
    ),
    "apply_adm": "unCLIPConditioning",
    "apply_controlnet": "ControlNetApply ControlNetApplyAdvanced",
    "apply_inpaint_controlnet": "ControlNetInpaintingAliMamaApply",
    "apply_stylemodel": "StyleModelApply",
    "batch": "ImageBatch",
    "blend": "LatentBlend",
    "combine": "ConditioningCombine MaskComposite",
    "composite": "ImageCompositeMasked LatentComposite LatentCompositeMasked",
    "concat": "ConditioningConcat",
    "crop": "ImageCrop LatentCrop CropMask",
    "decode": "VAEDecode VAEDecodeTiled",
    "encode": (
        "CLIPVisionEncode VAEEncodeForInpaint InpaintModelConditioning CLIPTextEncode VAEEncode "
        "VAEEncodeTiled"
    ),
    "execute": "MaskPreview",
    "expand_image": "ImagePadForOutpaint",
    "expand_mask": "GrowMask",
    "extend": "ExtendIntermediateSigmas",
    "feather": "FeatherMask",
    "flip": "ImageFlip LatentFlip",
    "frombatch": "ImageFromBatch LatentFromBatch",
    "generate": "EmptyImage EmptyLatentImage",
    "get_guider": "BasicGuider CFGGuider DualCFGGuider",
    "get_noise": "RandomNoise DisableNoise",
    "get_sampler": (
        "KSamplerSelect SamplerEulerAncestral SamplerEulerAncestralCFGPP SamplerLMS "
        "SamplerDPMPP_3M_SDE SamplerDPMPP_2M_SDE SamplerDPMPP_SDE SamplerDPMPP_2S_Ancestral "
        "SamplerDPMAdaptative SamplerER_SDE SamplerSASolver"
    ),
    "get_sigma": "SamplingPercentToSigma",
    "get_sigmas": (
        "BasicScheduler KarrasScheduler ExponentialScheduler PolyexponentialScheduler "
        "LaplaceScheduler VPScheduler BetaSamplingScheduler SDTurboScheduler SplitSigmas "
        "SplitSigmasDenoise FlipSigmas"
    ),
    "get_size": "GetImageSize",
    "image_to_mask": "ImageToMask ImageColorToMask ThresholdMask",
    "invert": "ImageInvert InvertMask",
    "load": "LoadLatent",
    "load_checkpoint": "CheckpointLoaderSimple unCLIPCheckpointLoader",
    "load_clip": "CLIPVisionLoader CLIPLoader DualCLIPLoader",
    "load_controlnet": "ControlNetLoader DiffControlNetLoader",
    "load_gligen": "GLIGENLoader",
    "load_image": "LoadImage LoadImageOutput LoadImageMask",
    "load_lora": "LoraLoader",
    "load_lora_model_only": "LoraLoaderModelOnly",
    "load_style_model": "StyleModelLoader",
    "load_unet": "UNETLoader",
    "load_vae": "VAELoader",
    "main": "PreviewAny",
    "mask_to_image": "MaskToImage",
    "merge": (
        "ModelMergeSimple ModelMergeBlocks ModelMergeAdd ModelMergeSubtract CLIPMergeSimple "
        "CLIPMergeAdd CLIPMergeSubtract"
    ),
    "patch": "FreeU FreeU_V2 ModelSamplingDiscrete ModelSamplingSD3 ModelSamplingFlux RescaleCFG",
    "patch_aura": "ModelSamplingAuraFlow",
    "repeat": "RepeatImageBatch ImageAddNoise RepeatLatentBatch",
    "rotate": "ImageRotate LatentRotate",
    "sample": "SamplerCustom SamplerCustomAdvanced KSampler KSamplerAdvanced",
    "save": "SaveLatent CheckpointSave ModelSave CLIPSave VAESave",
    "save_images": "SaveImage PreviewImage SaveAnimatedWEBP SaveAnimatedPNG",
    "set_controlnet_type": "SetUnionControlNetType",
    "set_first_sigma": "SetFirstSigma",
    "set_last_layer": "CLIPSetLastLayer",
    "set_mask": "SetLatentNoiseMask",
    "set_range": "ConditioningSetTimestepRange",
    "solid": "SolidMask",
    "stitch": "ImageStitch",
    "upscale": "ImageScale ImageScaleBy ImageScaleToMaxDimension LatentUpscale LatentUpscaleBy",
    "zero_out": "ConditioningZeroOut",
}
"""Method → the nodes that have it."""

METHODS: Mapping[str, str] = {name: method for method, names in _NODES.items() for name in names.split()}
"""Node → its method."""

ORDERS: Mapping[str, str] = {
    "CLIPTextEncode": "clip text",
    "ConditioningSetMask": "conditioning mask set_cond_area strength",
    "InpaintModelConditioning": "positive negative pixels vae mask noise_mask",
    "LatentComposite": "samples_to samples_from x y composite_method feather",
    "MaskPreview": "mask filename_prefix prompt extra_pnginfo",
    "PreviewImage": "images filename_prefix prompt extra_pnginfo",
    "SaveAnimatedPNG": "images fps compress_level filename_prefix prompt extra_pnginfo",
    "SaveAnimatedWEBP": "images fps filename_prefix lossless quality method num_frames prompt extra_pnginfo",
    "VAEDecode": "vae samples",
    "VAEDecodeTiled": "vae samples tile_size overlap temporal_size temporal_overlap",
    "VAEEncode": "vae pixels",
    "VAEEncodeForInpaint": "vae pixels mask grow_mask_by",
    "VAEEncodeTiled": "vae pixels tile_size overlap temporal_size temporal_overlap",
}
"""Node → the inputs of its method where they stand in another order than in the workflow, or are more."""
