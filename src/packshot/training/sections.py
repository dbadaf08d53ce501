"""The sections of a training recipe as frozen dataclasses; `recipe.py` reads them from TOML and checks them.

Every field is annotated with what it may hold. Imports neither torch nor any network.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal


@dataclass(frozen=True, slots=True)
class Within:
    """Annotates a number, or numbers in a list or table, as lying in [low, high]."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class DataRecipe:
    """What is drawn from the shards, and what of its description is kept back.

    Attributes:
        resolution: side of the pictures, pixels: the shards' own, or a larger one, up to that of their fine pictures.
        fine_weight: rows with a fine picture are drawn so many times as often; the others are coarse where the
            resolution is larger than the shards' own.
        balance: a category is drawn in proportion to its count ** (1 - balance); 0 as it comes, 1 all alike.
        balance_floor: categories are counted as at least so many pictures, so that a rare one is not learnt by heart.
        drop_slots: probability that each slot is kept back, in slot order.
        drop_colour: probability that both colours are kept back.
        drop_second_colour: probability that the second colour is.
        drop_text: probability that the sentence is.
        drop_all: probability that everything is, for guidance.
        text_noise: standard deviation of the noise on the sentence embedding.
        move_share: of the pictures that are shifted a little, as framing differs from photo to photo.
        hue_share: of the pictures with a colour said whose hues are turned, and the colours said with them; see `hues`.
        category_weights: multiplies the share of single categories, by name.
    """

    resolution: Annotated[int, Within(16, 1024)]
    fine_weight: Annotated[float, Within(0, 1000)]
    balance: Annotated[float, Within(0, 1)]
    balance_floor: Annotated[int, Within(1, 1_000_000)]
    drop_slots: Annotated[tuple[float, ...], Within(0, 1)]
    drop_colour: Annotated[float, Within(0, 1)]
    drop_second_colour: Annotated[float, Within(0, 1)]
    drop_text: Annotated[float, Within(0, 1)]
    drop_all: Annotated[float, Within(0, 1)]
    text_noise: Annotated[float, Within(0, 1)]
    move_share: Annotated[float, Within(0, 1)]
    hue_share: Annotated[float, Within(0, 1)]
    category_weights: Annotated[dict[str, float], Within(0, 1000)]


@dataclass(frozen=True, slots=True)
class FinePicturesRecipe:
    """What an upscaler is trained on.

    Attributes:
        resolution: side of the fine pictures in the shards, pixels; a multiple of 4.
        crop: side of the small crops that are enlarged, pixels of the small picture.
        flip: probability that a crop is mirrored.
        redraw_with: folder of a flow run whose moving average redraws the small pictures, so that the upscaler learns
            to finish what that flow makes; empty for none.
        redraw_share: of the crops that come from redrawn pictures; the others are reduced photographs.
        redraw_variants: of each picture.
        redraw_times: earliest and latest time that redrawing starts from: 0 forgets the picture, 1 leaves it alone.
        redraw_steps: evaluations with which a picture is redrawn.
        redraw_guidance: scale of classifier-free guidance in them.
    """

    resolution: Annotated[int, Within(16, 4096)]
    crop: Annotated[int, Within(4, 1024)]
    flip: Annotated[float, Within(0, 1)]
    redraw_with: str
    redraw_share: Annotated[float, Within(0, 1)]
    redraw_variants: Annotated[int, Within(1, 100)]
    redraw_times: Annotated[tuple[float, float], Within(0, 0.99)]
    redraw_steps: Annotated[int, Within(1, 1000)]
    redraw_guidance: Annotated[float, Within(0, 20)]


@dataclass(frozen=True, slots=True)
class CompositesRecipe:
    """What a cut-out network is trained on; see `composites.py`.

    Attributes:
        resolution: side of the composites, pixels; a multiple of 32.
        products: cut-outs from the shards that are kept in memory; of 224 px each takes 196 KiB.
        photos: folder of real photos, NAME.jpg with NAME.png, their coverage; empty for none.
        real_share: of the pictures that are such photos as they are.
        plain_share: of composites before paper and walls.
        clutter_share: of composites before pieces of other products; the rest is before real backgrounds.
        second_share: of composites with a second product.
        shadow_share: of products that cast a shadow.
    """

    resolution: Annotated[int, Within(32, 2048)]
    products: Annotated[int, Within(1, 1_000_000)]
    photos: str
    real_share: Annotated[float, Within(0, 1)]
    plain_share: Annotated[float, Within(0, 1)]
    clutter_share: Annotated[float, Within(0, 1)]
    second_share: Annotated[float, Within(0, 1)]
    shadow_share: Annotated[float, Within(0, 1)]


@dataclass(frozen=True, slots=True)
class FlowNetworkRecipe:
    """Sizes of a flow transformer; see `FlowSpec`. `vocabulary` has one size per slot, with room to append."""

    patch: Annotated[int, Within(1, 64)]
    width: Annotated[int, Within(16, 4096)]
    depth: Annotated[int, Within(1, 64)]
    heads: Annotated[int, Within(1, 64)]
    refine: Annotated[int, Within(1, 1024)]
    vocabulary: Annotated[tuple[int, ...], Within(2, 100_000)]


@dataclass(frozen=True, slots=True)
class GanNetworkRecipe:
    """Sizes of a generator and discriminator; see `GanSpec`.

    Attributes:
        latent: see `GanSpec`, as are those that are not named here.
        vocabulary: a size for each slot, with room to append.
        discriminator: `own` learns to see from the pictures alone; `projected` looks through frozen ImageNet features,
            see `networks/projected.py`, and has no use for `discriminator_channels`.
        projection_side: to which it brings pictures, pixels; a power of two.
        projection_channels: of its maps.
    """

    latent: Annotated[int, Within(1, 4096)]
    style: Annotated[int, Within(8, 4096)]
    augmented_text: Annotated[int, Within(1, 4096)]
    condition: Annotated[int, Within(8, 4096)]
    generator_channels: Annotated[tuple[int, ...], Within(4, 4096)]
    discriminator_channels: Annotated[tuple[int, ...], Within(4, 4096)]
    vocabulary: Annotated[tuple[int, ...], Within(2, 100_000)]
    discriminator: Literal["own", "projected"]
    projection_side: Annotated[int, Within(64, 1024)]
    projection_channels: Annotated[int, Within(4, 4096)]


@dataclass(frozen=True, slots=True)
class VaeNetworkRecipe:
    """Sizes of an encoder and a decoder; see `VaeSpec`. `vocabulary` has a size per slot, with room to append."""

    latent: Annotated[int, Within(1, 4096)]
    style: Annotated[int, Within(8, 4096)]
    augmented_text: Annotated[int, Within(1, 4096)]
    condition: Annotated[int, Within(8, 4096)]
    decoder_channels: Annotated[tuple[int, ...], Within(4, 4096)]
    encoder_channels: Annotated[tuple[int, ...], Within(4, 4096)]
    vocabulary: Annotated[tuple[int, ...], Within(2, 100_000)]


@dataclass(frozen=True, slots=True)
class UpscalerNetworkRecipe:
    """Sizes of an upscaler, see `UpscalerSpec`, and the channels of its `PatchCritic`, side by side with its own."""

    factor: Literal[2, 4]
    channels: Annotated[tuple[int, ...], Within(4, 1024)]
    blocks: Annotated[tuple[int, ...], Within(1, 64)]
    detail: Annotated[int, Within(1, 1024)]
    critic_channels: Annotated[tuple[int, ...], Within(4, 1024)]


@dataclass(frozen=True, slots=True)
class MattingNetworkRecipe:
    """Sizes of a matting network, see `MattingSpec`, and whether its encoder begins with ImageNet's weights."""

    decoder: Annotated[tuple[int, ...], Within(4, 1024)]
    detail: Annotated[int, Within(1, 1024)]
    pretrained: bool


@dataclass(frozen=True, slots=True)
class FlowObjectiveRecipe:
    """What a flow is asked for; see `objectives/flow.py`.

    Attributes:
        time_mean: of the normal behind the logit-normal times.
        time_deviation: of the same.
        smallest_gap: 1 - t is not taken below this in the loss.
        guidance_scale: w of guidance folding; 1 trains plainly.
        guidance_start: share of the run after which targets are folded; the moving average of that moment is the
            teacher. At 0 that is the average which `loop.init_from` names.
        guidance_share: of each batch whose target is folded.
        guidance_interval: times between which it is.
        guidance_target: what is pushed: `pictures`, real ones, which goes on teaching; or the predictions of the
            `teacher`, which have no noise to average away and only make a trained flow need fewer evaluations.
        emphasis: scale of a second push that is folded likewise, from product and colours to the whole description.
    """

    time_mean: Annotated[float, Within(-5, 5)]
    time_deviation: Annotated[float, Within(0.01, 5)]
    smallest_gap: Annotated[float, Within(0.001, 1)]
    guidance_scale: Annotated[float, Within(1, 20)]
    guidance_start: Annotated[float, Within(0, 1)]
    guidance_share: Annotated[float, Within(0, 1)]
    guidance_interval: Annotated[tuple[float, float], Within(0, 1)]
    guidance_target: Literal["pictures", "teacher"]
    emphasis: Annotated[float, Within(0, 20)]

    @property
    def folds(self) -> bool:
        """Whether there is a teacher at all."""
        return self.guidance_scale != 1 or self.emphasis > 0 or self.guidance_target == "teacher"


@dataclass(frozen=True, slots=True)
class WatchRecipe:
    """How a GAN is watched for mode collapse, and what is done about it; see `watch.py`.

    Attributes:
        every: steps between readings; 0 for none.
        pictures: conditions that are looked at.
        least_diversity: under this the alarm rings.
        least_coverage: under this share of the best coverage so far it rings, too.
        penalty_factor: every alarm multiplies the gradient penalties by this.
        mode_seeking: every alarm adds this to the weight of mode seeking.
        most_alarms: so often the run goes back to its best state; later alarms are only told.
    """

    every: Annotated[int, Within(0, 1_000_000)]
    pictures: Annotated[int, Within(8, 100_000)]
    least_diversity: Annotated[float, Within(0, 10)]
    least_coverage: Annotated[float, Within(0, 1)]
    penalty_factor: Annotated[float, Within(1, 100)]
    mode_seeking: Annotated[float, Within(0, 10)]
    most_alarms: Annotated[int, Within(0, 1000)]


@dataclass(frozen=True, slots=True)
class LaddObjectiveRecipe:
    """What finishing a flow adversarially is asked for; see `ladd_trainer.py` and `objectives/ladd.py`.

    Attributes:
        start_share: of the student's pictures that start from pure noise.
        latest_start: the others start anywhere up to this time.
        critic_time_mean: of the normal behind the logit-normal times at which the critic looks.
        critic_time_deviation: of the same.
        critic_blocks: after which of the teacher's blocks it does, counted from 1.
        critic_width: channels of its heads.
        penalty: gamma of the gradient penalties on the features of real and made pictures; 0 for none.
        distillation: weight of the distance to what the teacher makes of the student's pictures; 0 for none.
        guidance: of the teacher in that.
        patch_channels: of the stages of the critic of patches.
        patch_weight: of its verdict on the student's fine pictures; 0 for none.
        discriminator_rate: the critics' learning rate over the student's.
        watch: for mode collapse; an alarm strengthens the penalty.
    """

    start_share: Annotated[float, Within(0, 1)]
    latest_start: Annotated[float, Within(0, 0.99)]
    critic_time_mean: Annotated[float, Within(-5, 5)]
    critic_time_deviation: Annotated[float, Within(0.01, 5)]
    critic_blocks: Annotated[tuple[int, ...], Within(1, 64)]
    critic_width: Annotated[int, Within(4, 4096)]
    penalty: Annotated[float, Within(0, 1000)]
    distillation: Annotated[float, Within(0, 100)]
    guidance: Annotated[float, Within(0, 20)]
    patch_channels: Annotated[tuple[int, ...], Within(4, 4096)]
    patch_weight: Annotated[float, Within(0, 100)]
    discriminator_rate: Annotated[float, Within(0.01, 100)]
    watch: WatchRecipe


@dataclass(frozen=True, slots=True)
class GrowthRecipe:
    """Progressive growing: pictures begin small, where a step costs a fraction (Karras et al. 2018).

    Attributes:
        sides: of the pictures, each twice the one before; the last is `data.resolution`, and the only one where nothing
            shall grow.
        shares: of the run that each side has; their sum is 1.
        fade: share of each side's time, but the first's, over which its new layers are mixed in.
    """

    sides: Annotated[tuple[int, ...], Within(4, 1024)]
    shares: Annotated[tuple[float, ...], Within(0.001, 1)]
    fade: Annotated[float, Within(0, 1)]


@dataclass(frozen=True, slots=True)
class GanObjectiveRecipe:
    """What a GAN is asked for; see `objectives/gan.py`.

    Attributes:
        loss: `relativistic` (R3GAN) or `classic` (Goodfellow et al. 2014, non-saturating).
        penalty: gamma of the zero-centred gradient penalties on real (R1) and fake (R2) pictures; 0 for none.
        penalty_every: evaluate them every so many steps, scaled up accordingly.
        mismatched: weight of real pictures under another product's description as a further fake; 0 for none.
        divergence: weight of the KL term of conditioning augmentation.
        category: weight of the discriminator's auxiliary category head; 0 builds none.
        mode_seeking: weight of the loss that wants two latents of one condition to give two pictures; 0 for none.
        discriminator_rate: D's learning rate over G's.
        augment_share: of pictures moved before D sees them.
        augment_translate: largest shift over the side.
        augment_zoom: largest change of scale.
        augment_flip: probability of mirroring among the moved.
        growth: from small pictures to large ones.
        watch: for mode collapse.
    """

    loss: Literal["relativistic", "classic"]
    penalty: Annotated[float, Within(0, 1000)]
    penalty_every: Annotated[int, Within(1, 1000)]
    mismatched: Annotated[float, Within(0, 10)]
    divergence: Annotated[float, Within(0, 100)]
    category: Annotated[float, Within(0, 10)]
    mode_seeking: Annotated[float, Within(0, 10)]
    discriminator_rate: Annotated[float, Within(0.01, 100)]
    augment_share: Annotated[float, Within(0, 1)]
    augment_translate: Annotated[float, Within(0, 0.5)]
    augment_zoom: Annotated[float, Within(0, 0.5)]
    augment_flip: Annotated[float, Within(0, 1)]
    growth: GrowthRecipe
    watch: WatchRecipe


@dataclass(frozen=True, slots=True)
class VaeObjectiveRecipe:
    """What a VAE is asked for; see `objectives/vae.py`.

    Attributes:
        beta: weight of the latents' divergence, in nats per picture, beside the mean error of a pixel.
        beta_ramp: share of the run over which it rises from 0.
        free_bits: nats of each latent dimension that cost nothing.
        gradient: weight of `gradient_error` beside `charbonnier`.
        divergence: weight of the KL term of conditioning augmentation.
    """

    beta: Annotated[float, Within(0, 100)]
    beta_ramp: Annotated[float, Within(0.001, 1)]
    free_bits: Annotated[float, Within(0, 10)]
    gradient: Annotated[float, Within(0, 100)]
    divergence: Annotated[float, Within(0, 100)]


@dataclass(frozen=True, slots=True)
class UpscalerObjectiveRecipe:
    """What an upscaler is asked for; see `objectives/upscale.py`.

    Attributes:
        gradient: weight of `gradient_error` beside `charbonnier`.
        matching: weight of the critic's features, wherever there is a critic; see `feature_error`.
        adversarial: weight of the critic's verdict (relativistic); 0 trains without a critic.
        adversarial_start: share of the run before which there is no critic: it learns nothing from blurs.
        adversarial_ramp: share of the run over which the weight rises from 0.
        critic_rate: the critic's learning rate over the upscaler's.
        critic_betas: of the critic's moments.
    """

    gradient: Annotated[float, Within(0, 100)]
    matching: Annotated[float, Within(0, 100)]
    adversarial: Annotated[float, Within(0, 10)]
    adversarial_start: Annotated[float, Within(0, 1)]
    adversarial_ramp: Annotated[float, Within(0.001, 1)]
    critic_rate: Annotated[float, Within(0.01, 100)]
    critic_betas: Annotated[tuple[float, float], Within(0, 0.99999)]


@dataclass(frozen=True, slots=True)
class MattingObjectiveRecipe:
    """What a cut-out network is asked for; see `objectives/matting.py`.

    Attributes:
        edge: how much more a pixel near the outline counts.
        laplacian: weight of the error at each size of detail.
        overlap: weight of one minus the soft intersection over union.
        early: weight of the error of the early, coarse coverage.
    """

    edge: Annotated[float, Within(0, 100)]
    laplacian: Annotated[float, Within(0, 100)]
    overlap: Annotated[float, Within(0, 100)]
    early: Annotated[float, Within(0, 100)]


@dataclass(frozen=True, slots=True)
class OptimiserRecipe:
    """AdamW, optionally Muon for matrices, their schedule, and the moving average.

    Attributes:
        learning_rate: peak.
        matrix_optimiser: of the weight matrices inside transformer blocks, which only a flow has: `muon` makes every
            direction of an update equally long (Jordan et al. 2024), in AdamW's size (Liu et al. 2025,
            arXiv:2502.16982).
        matrix_learning_rate: peak of Muon; AdamW has no use for it.
        betas: of AdamW's moments.
        weight_decay: of matrices and kernels; biases and gains decay never.
        clip_norm: gradients are scaled down to this norm.
        warmup_steps: the rate rises linearly over these.
        decay_share: the rate falls linearly over this last share of the run's minutes, or steps without a limit.
        decay_floor: down to this share of the peak.
        ema_decay: of the moving average of the weights that is sampled and exported.
        ema_early_decay: the same before step `ema_early_steps`.
        ema_early_steps: length of the early phase.
    """

    learning_rate: Annotated[float, Within(1e-8, 1)]
    matrix_optimiser: Literal["adamw", "muon"]
    matrix_learning_rate: Annotated[float, Within(1e-8, 1)]
    betas: Annotated[tuple[float, float], Within(0, 0.99999)]
    weight_decay: Annotated[float, Within(0, 10)]
    clip_norm: Annotated[float, Within(1e-6, 1e6)]
    warmup_steps: Annotated[int, Within(1, 10_000_000)]
    decay_share: Annotated[float, Within(0.001, 1)]
    decay_floor: Annotated[float, Within(0, 1)]
    ema_decay: Annotated[float, Within(0, 1)]
    ema_early_decay: Annotated[float, Within(0, 1)]
    ema_early_steps: Annotated[int, Within(0, 1_000_000_000)]


@dataclass(frozen=True, slots=True)
class LoopRecipe:
    """How the run goes.

    Attributes:
        batch: pictures a step, over all processes together.
        steps: length of the run.
        max_minutes: of training over all sittings after which the run ends; 0 for no limit.
        seed: of every random draw.
        precision: `bf16` autocast, `fp32`, or `auto`: bf16 where the device multiplies it itself.
        compile: use torch.compile.
        device: `auto`, `cpu`, `cuda`.
        log_every: steps between lines of the log.
        checkpoint_minutes: between checkpoints.
        sheet_minutes: between sample sheets; 0 for none but the last.
        tensorboard: write TensorBoard events too.
        init_from: a run or checkpoint folder whose moving average the network starts from, and the discriminator from
            its own weights where the folder has them; or a pack's name or folder; empty for none.
        freeze: beginnings of names of the generator's weights that stay as they are, such as `blocks.0.`.
    """

    batch: Annotated[int, Within(1, 1_000_000)]
    steps: Annotated[int, Within(1, 1_000_000_000)]
    max_minutes: Annotated[float, Within(0, 10_000_000)]
    seed: Annotated[int, Within(0, 2**62)]
    precision: Literal["auto", "bf16", "fp32"]
    compile: bool
    device: Literal["auto", "cpu", "cuda"]
    log_every: Annotated[int, Within(1, 1_000_000)]
    checkpoint_minutes: Annotated[float, Within(0, 100_000)]
    sheet_minutes: Annotated[float, Within(0, 100_000)]
    tensorboard: bool
    init_from: str
    freeze: tuple[str, ...]
