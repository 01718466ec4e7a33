// Which point lies under the pointer, however many there are: points in the cells of a grid.

export class Nearby {
  private readonly side: number;
  private readonly first: Int32Array;
  private readonly order: Int32Array;

  /** Points `x`, `y` in [0, 1]. */
  constructor(
    private readonly x: Float32Array,
    private readonly y: Float32Array,
  ) {
    this.side = Math.max(1, Math.min(512, Math.round(Math.sqrt(x.length / 3))));
    const cells = this.side * this.side;
    this.first = new Int32Array(cells + 1);
    for (let row = 0; row < x.length; row++) this.first[this.cell(row) + 1] += 1;
    for (let cell = 0; cell < cells; cell++) this.first[cell + 1] += this.first[cell];
    const next = this.first.slice();
    this.order = new Int32Array(x.length);
    for (let row = 0; row < x.length; row++) this.order[next[this.cell(row)]++] = row;
  }

  private along(value: number): number {
    return Math.min(this.side - 1, Math.max(0, Math.floor(value * this.side)));
  }

  private cell(row: number): number {
    return this.along(this.y[row]) * this.side + this.along(this.x[row]);
  }

  /** The nearest shown point within a distance; -1 where there is none. */
  find(x: number, y: number, reach: number, shown: Uint8Array): number {
    let best = -1;
    let least = reach * reach;
    for (let down = this.along(y - reach); down <= this.along(y + reach); down++) {
      for (let across = this.along(x - reach); across <= this.along(x + reach); across++) {
        const cell = down * this.side + across;
        for (let place = this.first[cell]; place < this.first[cell + 1]; place++) {
          const row = this.order[place];
          const away = (this.x[row] - x) ** 2 + (this.y[row] - y) ** 2;
          if (away <= least && shown[row]) {
            best = row;
            least = away;
          }
        }
      }
    }
    return best;
  }
}
