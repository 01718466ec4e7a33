/* The elementwise passes of passes.py, each in one sweep over memory, and sine and cosine of a phase together.
 *
 * An array is seen as [batch, points, width] with the last axis contiguous; a stride of 0 repeats what signals, or points, share. What is
 * written is contiguous, and may lie where an input of the same shape does. NaN stays NaN.
 */
#include <math.h>
#include <stdint.h>
#include <string.h>

enum { ROWS_OF_A_SUM = 32 }; /* added to each other before they are added to the total: less rounding than one by one */

#define VIEW(name) const float *name##_data, int64_t name##_batch, int64_t name##_point
#define ROW(name) (name##_data + b * name##_batch + i * name##_point)
#define FOR_EACH_ROW                       \
    for (int64_t b = 0; b < batch; b++)    \
        for (int64_t i = 0; i < points; i++)
#define FOR_EACH_NUMBER _Pragma("GCC ivdep") for (int64_t j = 0; j < width; j++)

/* The polynomials of the Cephes library on [-pi/4, pi/4], after taking away multiples of pi/2 in three parts (Cody and Waite). Good to 1e-7 for
 * phases up to 1e5; beyond that float32 does not resolve a phase, and the result is some number near [-1, 1]. */
static inline void sine_cosine(float phase, float *sine, float *cosine) {
    float quarters = rintf(phase * 0.636619772f);
    float r = fmaf(quarters, -1.5703125f, phase);
    r = fmaf(quarters, -4.837512969970703125e-4f, r);
    r = fmaf(quarters, -7.54978995489188e-8f, r);
    r = r > 0.8f ? 0.8f : r; /* only where a phase is absurdly large; false for NaN */
    r = r < -0.8f ? -0.8f : r;
    float r2 = r * r;
    float s = fmaf(fmaf(fmaf(-1.9515295891e-4f, r2, 8.3321608736e-3f), r2, -1.6666654611e-1f), r2 * r, r);
    float c = fmaf(fmaf(fmaf(2.443315711809948e-5f, r2, -1.388731625493765e-3f), r2, 4.166664568298827e-2f), r2 * r2, fmaf(-0.5f, r2, 1.0f));
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

/* states = sin(product + offset) + below, cosines = cos(product + offset) */
void wave(int64_t batch, int64_t points, int64_t width, VIEW(product), VIEW(offset), VIEW(below), float *states, float *cosines) {
    FOR_EACH_ROW {
        const float *p = ROW(product), *o = ROW(offset), *h = ROW(below);
        FOR_EACH_NUMBER {
            float sine, cosine;
            sine_cosine(p[j] + o[j], &sine, &cosine);
            states[j] = sine + h[j];
            cosines[j] = cosine;
        }
        states += width;
        cosines += width;
    }
}

/* slopes = descent * cosine; totals += their sum over points */
void slope(int64_t batch, int64_t points, int64_t width, VIEW(descent), VIEW(cosine), float *slopes, float *totals, int64_t total_batch) {
    float block[width];
    memset(block, 0, sizeof block);
    FOR_EACH_ROW {
        const float *d = ROW(descent), *c = ROW(cosine);
        FOR_EACH_NUMBER {
            float value = d[j] * c[j];
            slopes[j] = value;
            block[j] += value;
        }
        slopes += width;
        if ((i + 1) % ROWS_OF_A_SUM == 0 || i + 1 == points) add_block(totals + b * total_batch, block, width);
    }
}

/* phases = product + offset, moves = phases * cosine + below */
void swing(int64_t batch, int64_t points, int64_t width, VIEW(product), VIEW(offset), VIEW(cosine), VIEW(below), float *phases, float *moves) {
    FOR_EACH_ROW {
        const float *p = ROW(product), *o = ROW(offset), *c = ROW(cosine), *h = ROW(below);
        FOR_EACH_NUMBER {
            float phase = p[j] + o[j];
            phases[j] = phase;
            moves[j] = fmaf(phase, c[j], h[j]);
        }
        phases += width;
        moves += width;
    }
}

/* adjoints = tangent * cosine - descent * phase * (above - below), slopes = descent * cosine; totals += the adjoints' sum over points */
void adjoint(int64_t batch, int64_t points, int64_t width, VIEW(tangent), VIEW(cosine), VIEW(descent), VIEW(phase), VIEW(above), VIEW(below),
             float *adjoints, float *slopes, float *totals, int64_t total_batch) {
    float block[width];
    memset(block, 0, sizeof block);
    FOR_EACH_ROW {
        const float *t = ROW(tangent), *c = ROW(cosine), *d = ROW(descent), *a = ROW(phase), *up = ROW(above), *h = ROW(below);
        FOR_EACH_NUMBER {
            float value = t[j] * c[j] - d[j] * a[j] * (up[j] - h[j]), slope = d[j] * c[j];
            adjoints[j] = value;
            slopes[j] = slope;
            block[j] += value;
        }
        adjoints += width;
        slopes += width;
        if ((i + 1) % ROWS_OF_A_SUM == 0 || i + 1 == points) add_block(totals + b * total_batch, block, width);
    }
}
