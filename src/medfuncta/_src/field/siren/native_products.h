/* Matrix products of float32 matrices by rows, out of tiles that stay in registers.
 *
 * A layer multiplies few rows with the same weights again and again: these are packed once, in
 * panels that lie in memory as they are read, and all else is read where it is. A general product
 * packs both sides each time, a tenth of its time at these sizes.
 */
#include <stdint.h>
#include <string.h>

#if defined(__AVX512F__)
enum { LANES = 16, ROWS = 8 };
#elif defined(__AVX__)
enum { LANES = 8, ROWS = 6 }; /* of 16 registers */
#else
enum { LANES = 4, ROWS = 8 };
#endif
enum {
    VECTORS = 2,
    PANEL = VECTORS * LANES, /* columns of a tile, and of a panel */
    BLOCK_ROWS = 4 * ROWS,   /* that meet a panel while it is in the first cache */
    BLOCK_DEPTH = 512, /* numbers that are added to each other before they are added to a total */
};
typedef float Vector __attribute__((vector_size(4 * LANES), aligned(4), may_alias));

#define INLINE static inline __attribute__((always_inline)) /* into loops that know the strides */
#define FOR_EACH_ROW_OF_TILE _Pragma("GCC unroll 8") for (int r = 0; r < ROWS; r++)
#define FOR_EACH_VECTOR _Pragma("GCC unroll 2") for (int v = 0; v < VECTORS; v++)

static int64_t at_most(int64_t count, int64_t limit) { return count < limit ? count : limit; }

/* A matrix of `depth` columns: how far its next row and its next column are. */
typedef struct {
    const float *data;
    int64_t row, column;
} Left;

/* out = left right, added to what is there if `add`: ROWS rows and PANEL columns. `next` is from a
 * row of right to the next. */
INLINE void full_tile(int64_t depth, Left left, const float *right, int64_t next, int add,
                      float *out, int64_t out_row) {
    Vector sum[ROWS][VECTORS] = {0};
    for (int64_t k = 0; k < depth; k++) {
        const float *column = left.data + k * left.column;
        Vector row[VECTORS];
        FOR_EACH_VECTOR row[v] = *(const Vector *)(right + k * next + v * LANES);
        FOR_EACH_ROW_OF_TILE FOR_EACH_VECTOR sum[r][v] += column[r * left.row] * row[v];
    }
    FOR_EACH_ROW_OF_TILE FOR_EACH_VECTOR {
        Vector *to = (Vector *)(out + r * out_row + v * LANES);
        if (add) sum[r][v] += *to;
        *to = sum[r][v];
    }
}

/* The same of fewer rows and columns, at the edges: filled up with zeros. */
static void part_of_tile(int64_t rows, int64_t columns, int64_t depth, Left left,
                         const float *right, int64_t next, int add, float *out, int64_t out_row) {
    float lefts[BLOCK_DEPTH * ROWS], rights[BLOCK_DEPTH * PANEL], result[ROWS * PANEL];
    for (int64_t block = 0; block < depth; block += BLOCK_DEPTH) {
        int64_t some = at_most(depth - block, BLOCK_DEPTH);
        memset(lefts, 0, sizeof(float) * (size_t)(some * ROWS));
        memset(rights, 0, sizeof(float) * (size_t)(some * PANEL));
        for (int64_t k = 0; k < some; k++) {
            for (int64_t r = 0; r < rows; r++)
                lefts[k * ROWS + r] = left.data[r * left.row + (block + k) * left.column];
            for (int64_t j = 0; j < columns; j++)
                rights[k * PANEL + j] = right[(block + k) * next + j];
        }
        full_tile(some, (Left){lefts, 1, ROWS}, rights, PANEL, block > 0, result, PANEL);
    }
    for (int64_t r = 0; r < rows; r++)
        for (int64_t j = 0; j < columns; j++)
            out[r * out_row + j] = result[r * PANEL + j] + (add ? out[r * out_row + j] : 0);
}

INLINE void tile(int64_t rows, int64_t columns, int64_t depth, Left left, const float *right,
                 int64_t next, int add, float *out, int64_t out_row) {
    if (rows >= ROWS && columns >= PANEL)
        full_tile(depth, left, right, next, add, out, out_row);
    else
        part_of_tile(at_most(rows, ROWS), at_most(columns, PANEL), depth, left, right, next, add,
                     out, out_row);
}

/* How many numbers the panels of a matrix [depth, columns] are. */
int64_t size_of_panels(int64_t depth, int64_t columns) {
    return (columns + PANEL - 1) / PANEL * PANEL * depth;
}

/* The panels, [columns / PANEL, depth, PANEL] with zeros at the end, of a matrix whose next row and
 * column are this far. */
void pack(int64_t depth, int64_t columns, const float *matrix, int64_t row, int64_t column,
          float *panels) {
    for (int64_t first = 0; first < columns; first += PANEL)
        for (int64_t k = 0; k < depth; k++)
            for (int64_t j = first; j < first + PANEL; j++)
                *panels++ = j < columns ? matrix[k * row + j * column] : 0;
}

/* out = left right of left [rows, depth], whose next row is this far, and a right [depth, columns]
 * in panels; added to what is there if `add`. */
static void times_panels(int64_t rows, int64_t depth, int64_t columns, const float *left,
                         int64_t next, const float *panels, int add, float *out) {
    for (int64_t block = 0; block < rows; block += BLOCK_ROWS) {
        int64_t end = at_most(rows, block + BLOCK_ROWS);
        for (int64_t j = 0; j < columns; j += PANEL)
            for (int64_t i = block; i < end; i += ROWS)
                tile(end - i, columns - j, depth, (Left){left + i * next, next, 1},
                     panels + j * depth, PANEL, add, out + i * columns + j, columns);
    }
}

/* sum += left^T right of contiguous left [depth, rows] and right [depth, columns] */
static void add_transposed_times(int64_t depth, int64_t rows, int64_t columns, const float *left,
                                 const float *right, float *sum) {
    for (int64_t k = 0; k < depth; k += BLOCK_DEPTH) {
        int64_t some = at_most(depth - k, BLOCK_DEPTH);
        for (int64_t j = 0; j < columns; j += PANEL)
            for (int64_t i = 0; i < rows; i += ROWS)
                tile(rows - i, columns - j, some, (Left){left + k * rows + i, 1, rows},
                     right + k * columns + j, columns, 1, sum + i * columns + j, columns);
    }
}
