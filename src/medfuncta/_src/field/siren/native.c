/* Layers 1..K-1 of a field with w folded into their weights: forward, backward, and along a
 * tangent, for one chunk of points (layers.py).
 *
 * An array is [batch, points, width] with the last axis contiguous; a stride of 0 repeats what
 * signals, or points, share. Sums over points are totals [batch, layers, width]. What is written is
 * contiguous, and may lie where an input of the same shape does. NaN stays NaN.
 */
#include "native_products.h"

#include <math.h>

enum {
    ROWS_OF_A_SUM = 32
}; /* added to each other before they are added to the total: less rounding than one by one */

typedef struct {
    const float *const *forward_weights;  /* W^T of each layer, [inputs, width], in panels */
    const float *const *backward_weights; /* W, [width, inputs], in panels */
    int64_t layers, inputs, width, first_shifted, residual;
} Field; /* all layers but the first read `width` numbers */

typedef struct {
    int64_t batch, points, width;
} Shape;

/* Where an array is read, and how far its next signal and its next point are: 0 where they share a
 * row. */
typedef struct {
    const float *data;
    int64_t signal, point;
} View;

static View on_points(Shape shape, const float *data,
                      int64_t count) { /* [count, points, width], count is 1 or batch */
    return (View){data, count > 1 ? shape.points * shape.width : 0, shape.width};
}
static View on_signals(const float *data, int64_t stride) {
    return (View){data, stride, 0};
} /* [batch, 1, width] */
static View row_for_all(const float *data) { return (View){data, 0, 0}; }

#define ROW(view) (view.data + b * view.signal + i * view.point)
#define FOR_EACH_ROW                                                                               \
    for (int64_t b = 0; b < shape.batch; b++)                                                      \
        for (int64_t i = 0; i < shape.points; i++)
#define FOR_EACH_NUMBER _Pragma("GCC ivdep") for (int64_t j = 0; j < shape.width; j++)
#define END_OF_SUM(i) (((i) + 1) % ROWS_OF_A_SUM == 0 || (i) + 1 == shape.points)

/* The polynomials of the Cephes library on [-pi/4, pi/4], after taking away multiples of pi/2 in
 * three parts (Cody and Waite). Good to 1e-7 for phase_tangents up to 1e5; beyond that float32 does
 * not resolve a phase, and the result is some number near [-1, 1]. */
static inline void sine_cosine(float phase, float *sine, float *cosine) {
    float quarters = rintf(phase * 0.636619772f);
    float r = fmaf(quarters, -1.5703125f, phase);
    r = fmaf(quarters, -4.837512969970703125e-4f, r);
    r = fmaf(quarters, -7.54978995489188e-8f, r);
    r = r > 0.8f ? 0.8f : r; /* only where a phase is absurdly large; false for NaN */
    r = r < -0.8f ? -0.8f : r;
    float r2 = r * r;
    float s =
        fmaf(fmaf(fmaf(-1.9515295891e-4f, r2, 8.3321608736e-3f), r2, -1.6666654611e-1f), r2 * r, r);
    float c = fmaf(
        fmaf(fmaf(2.443315711809948e-5f, r2, -1.388731625493765e-3f), r2, 4.166664568298827e-2f),
        r2 * r2, fmaf(-0.5f, r2, 1.0f));
    int32_t quarter = (int32_t)quarters;
    float one = quarter & 1 ? c : s, other = quarter & 1 ? s : c;
    uint32_t one_bits, other_bits;
    memcpy(&one_bits, &one, 4);
    memcpy(&other_bits, &other, 4);
    one_bits ^= (uint32_t)(quarter & 2) << 30;
    other_bits ^= (uint32_t)((quarter + 1) & 2) << 30;
    memcpy(sine, &one_bits, 4);
    memcpy(cosine, &other_bits, 4);
}

static void add_block(float *total, float *block, int64_t width) {
    for (int64_t j = 0; j < width; j++) {
        total[j] += block[j];
        block[j] = 0;
    }
}

/* -- elementwise passes */

/* states = sin(product + offset) + below, cosines = cos(product + offset) unless they are NULL */
static void sine_forward(Shape shape, View product, View offset, View below, float *states,
                         float *cosines) {
    float row[shape.width];
    FOR_EACH_ROW {
        const float *p = ROW(product), *o = ROW(offset), *h = ROW(below);
        float *c = cosines ? cosines : row;
        FOR_EACH_NUMBER {
            float sine, cosine;
            sine_cosine(p[j] + o[j], &sine, &cosine);
            states[j] = sine + h[j];
            c[j] = cosine;
        }
        states += shape.width;
        if (cosines) cosines += shape.width;
    }
}

/* phase_cotangents = cotangent * cosine; totals += their sum over points */
static void sine_backward(Shape shape, View cotangent, View cosine, float *phase_cotangents,
                          float *totals, int64_t totals_signal) {
    float block[shape.width];
    memset(block, 0, sizeof block);
    FOR_EACH_ROW {
        const float *d = ROW(cotangent), *c = ROW(cosine);
        FOR_EACH_NUMBER {
            float value = d[j] * c[j];
            phase_cotangents[j] = value;
            block[j] += value;
        }
        phase_cotangents += shape.width;
        if (END_OF_SUM(i)) add_block(totals + b * totals_signal, block, shape.width);
    }
}

/* phase_tangents = product + offset, state_tangents = phase_tangents * cosine + below */
static void sine_tangent(Shape shape, View product, View offset, View cosine, View below,
                         float *phase_tangents, float *state_tangents) {
    FOR_EACH_ROW {
        const float *p = ROW(product), *o = ROW(offset), *c = ROW(cosine), *h = ROW(below);
        FOR_EACH_NUMBER {
            float phase = p[j] + o[j];
            phase_tangents[j] = phase;
            state_tangents[j] = fmaf(phase, c[j], h[j]);
        }
        phase_tangents += shape.width;
        state_tangents += shape.width;
    }
}

/* phase_cotangent_tangents = tangent * cosine - cotangent * phase * (above - below),
 * phase_cotangents = cotangent * cosine; totals += the phase_cotangent_tangents' sum over points */
static void sine_backward_tangent(Shape shape, View tangent, View cosine, View cotangent,
                                  View phase, View above, View below,
                                  float *phase_cotangent_tangents, float *phase_cotangents,
                                  float *totals, int64_t totals_signal) {
    float block[shape.width];
    memset(block, 0, sizeof block);
    FOR_EACH_ROW {
        const float *t = ROW(tangent), *c = ROW(cosine), *d = ROW(cotangent), *a = ROW(phase),
                    *up = ROW(above), *h = ROW(below);
        FOR_EACH_NUMBER {
            float value = t[j] * c[j] - d[j] * a[j] * (up[j] - h[j]), phase_cotangent = d[j] * c[j];
            phase_cotangent_tangents[j] = value;
            phase_cotangents[j] = phase_cotangent;
            block[j] += value;
        }
        phase_cotangent_tangents += shape.width;
        phase_cotangents += shape.width;
        if (END_OF_SUM(i)) add_block(totals + b * totals_signal, block, shape.width);
    }
}

/* -- matrix products of a layer, for all rows of its input */

static int64_t inputs_of(const Field *f, int64_t k) { return k ? f->width : f->inputs; }
static int adds_what_it_reads(const Field *f, int64_t k) { return f->residual && k > 0; }

/* outputs = inputs W^T */
static void multiply_forward(const Field *f, int64_t k, int64_t rows, const float *inputs,
                             float *outputs) {
    times_panels(rows, inputs_of(f, k), f->width, inputs, inputs_of(f, k), f->forward_weights[k], 0,
                 outputs);
}

/* cotangent = phase_cotangents W, added to what is there in a residual layer; the phase_cotangents'
 * next row is this far */
static void multiply_backward(const Field *f, int64_t k, int64_t rows,
                              const float *phase_cotangents, int64_t next, float *cotangent) {
    times_panels(rows, f->width, inputs_of(f, k), phase_cotangents, next, f->backward_weights[k],
                 adds_what_it_reads(f, k), cotangent);
}

/* sum += phase_cotangents^T inputs. Inputs that signals share meet the sum of their
 * phase_cotangents, which is written over those of the first. */
static void add_product(const Field *f, int64_t k, int64_t batch, int64_t points,
                        float *phase_cotangents, const float *inputs, int shared, float *sum) {
    int64_t row = points * f->width;
    if (shared)
        for (int64_t b = 1; b < batch; b++)
            for (int64_t j = 0; j < row; j++) phase_cotangents[j] += phase_cotangents[b * row + j];
    add_transposed_times(shared ? points : batch * points, f->width, inputs_of(f, k),
                         phase_cotangents, inputs, sum);
}

/* -- all layers */

/* Arrays have one entry a layer; states are what each layer reads, and what the last one gives.
 * counts[k] tells of how many signals (1 or batch) states[k] is; products are of as many, cosines
 * of as many as the state above. */

/* products[k] = states[k] W^T unless they are known; states[k + 1] and, unless NULL, cosines[k] of
 * them. cosines[k] may lie on products[k] when there are as many; a state on another than the one
 * below it; and all products on one when there are no cosines. */
void forward(const Field *f, int64_t points, const int64_t *counts, const float *const *offsets,
             const int64_t *offset_signal, int64_t known, float *const *products,
             float *const *states, float *const *cosines) {
    float zeros[f->width];
    memset(zeros, 0, sizeof zeros);
    for (int64_t k = 0; k < f->layers; k++) {
        Shape shape = {counts[k + 1], points, f->width};
        if (!known) multiply_forward(f, k, counts[k] * points, states[k], products[k]);
        View below =
            adds_what_it_reads(f, k) ? on_points(shape, states[k], counts[k]) : row_for_all(zeros);
        sine_forward(shape, on_points(shape, products[k], counts[k]),
                     on_signals(offsets[k], offset_signal[k]), below, states[k + 1],
                     cosines ? cosines[k] : NULL);
    }
}

/* From cotangents[last], d of the last layer, down to the lowest; the others are written, on the
 * one above or elsewhere. dL/dt is added to totals and, unless sums is NULL, dL/dW to sums. Phase
 * cotangents are room for one array. */
void backward(const Field *f, int64_t lowest, int64_t batch, int64_t points, const int64_t *counts,
              float *const *states, float *const *cosines, float *const *cotangents,
              float *phase_cotangents, float *totals, float *const *sums) {
    Shape shape = {batch, points, f->width};
    for (int64_t k = f->layers - 1; k >= lowest; k--) {
        View cosine = on_points(shape, cosines[k], counts[k + 1]);
        sine_backward(shape, on_points(shape, cotangents[k], batch), cosine, phase_cotangents,
                      totals + k * f->width, f->layers * f->width);
        if (k > lowest) {
            if (adds_what_it_reads(f, k) && cotangents[k - 1] != cotangents[k])
                memcpy(cotangents[k - 1], cotangents[k],
                       sizeof(float) * (size_t)(batch * points * f->width));
            multiply_backward(f, k, batch * points, phase_cotangents, f->width, cotangents[k - 1]);
        }
        if (sums)
            add_product(f, k, batch, points, phase_cotangents, states[k], counts[k] < batch,
                        sums[k]);
    }
}

/* e of the shifted layers side by side, [batch, points, all shifts], from cotangent, d of the last
 * layer, which is written over. */
void shift_jacobian(const Field *f, int64_t batch, int64_t points, const int64_t *counts,
                    float *const *cosines, float *cotangent, float *phase_cotangents) {
    Shape shape = {batch, points, f->width};
    int64_t shifts = (f->layers - f->first_shifted) * f->width;
    for (int64_t k = f->layers - 1; k >= f->first_shifted; k--) {
        View down = on_points(shape, cotangent, batch),
             cosine = on_points(shape, cosines[k], counts[k + 1]);
        float *of_layer = phase_cotangents + (k - f->first_shifted) * f->width;
        FOR_EACH_ROW {
            const float *d = ROW(down), *c = ROW(cosine);
            float *row = of_layer + (b * points + i) * shifts;
            FOR_EACH_NUMBER
                row[j] = d[j] * c[j];
        }
        if (k > f->first_shifted)
            multiply_backward(f, k, batch * points, of_layer, shifts, cotangent);
    }
}

/* a. (phase_tangents) and h'. (state_tangents) of the shifted layers, one entry each, from their
 * shift_tangents t. */
void forward_tangent(const Field *f, int64_t batch, int64_t points, const int64_t *counts,
                     const float *const *shift_tangents, const int64_t *shift_signal,
                     float *const *cosines, float *const *phase_tangents,
                     float *const *state_tangents) {
    float zeros[f->width];
    memset(zeros, 0, sizeof zeros);
    Shape shape = {batch, points, f->width};
    for (int64_t i = 0; i < f->layers - f->first_shifted; i++) {
        int64_t k = i + f->first_shifted;
        View product = row_for_all(zeros),
             below = row_for_all(zeros); /* nothing state_tangents below the first shifted layer */
        if (i > 0) {
            multiply_forward(f, k, batch * points, state_tangents[i - 1], phase_tangents[i]);
            product = on_points(shape, phase_tangents[i], batch);
            if (adds_what_it_reads(f, k)) below = on_points(shape, state_tangents[i - 1], batch);
        }
        View cosine = on_points(shape, cosines[k], counts[k + 1]);
        sine_tangent(shape, product, on_signals(shift_tangents[i], shift_signal[i]), cosine, below,
                     phase_tangents[i], state_tangents[i]);
    }
}

/* From tangent, d. of the last layer, down to the first; written over, as phase_tangents are.
 * Cotangents are d of the shifted layers. Phase cotangents are room for one array. */
void backward_tangent(const Field *f, int64_t batch, int64_t points, const int64_t *counts,
                      float *const *states, float *const *cosines, float *const *cotangents,
                      float *const *phase_tangents, float *const *state_tangents, float *tangent,
                      float *phase_cotangents, float *totals, float *const *sums) {
    float zeros[f->width];
    memset(zeros, 0, sizeof zeros);
    Shape shape = {batch, points, f->width};
    int64_t totals_signal = f->layers * f->width;
    for (int64_t k = f->layers - 1; k >= 0; k--) {
        int64_t i = k - f->first_shifted;
        float *phase_cotangent_tangents = i < 0 ? phase_cotangents : phase_tangents[i],
              *layer_totals = totals + k * f->width;
        View t = on_points(shape, tangent, batch),
             cosine = on_points(shape, cosines[k], counts[k + 1]);
        if (i < 0)
            sine_backward(shape, t, cosine, phase_cotangent_tangents, layer_totals, totals_signal);
        else {
            View above = on_points(shape, states[k + 1], counts[k + 1]);
            View below = adds_what_it_reads(f, k) ? on_points(shape, states[k], counts[k])
                                                  : row_for_all(zeros);
            View cotangent = on_points(shape, cotangents[i], batch),
                 phase = on_points(shape, phase_tangents[i], batch);
            sine_backward_tangent(shape, t, cosine, cotangent, phase, above, below,
                                  phase_cotangent_tangents, phase_cotangents, layer_totals,
                                  totals_signal);
            if (i > 0)
                add_product(f, k, batch, points, phase_cotangents, state_tangents[i - 1], 0,
                            sums[k]);
        }
        if (k > 0)
            multiply_backward(f, k, batch * points, phase_cotangent_tangents, f->width, tangent);
        add_product(f, k, batch, points, phase_cotangent_tangents, states[k], counts[k] < batch,
                    sums[k]);
    }
}
