/**
 * Cuts server-sent events out of text that comes in any pieces. Names, ids and retry times are
 * not read. What was not ended by an empty line was not sent whole, and is never given.
 */
export class EventReader {
    #rest = "";
    #data = [];
    *read(piece) {
        this.#rest += piece;
        for (let line = this.#line(); line !== null; line = this.#line()) {
            if (line === "") {
                if (this.#data.length > 0)
                    yield { data: this.#data.join("\n") };
                this.#data = [];
            }
            else if (line.startsWith(":")) {
                yield { comment: value(line, 1) };
            }
            else if (line === "data" || line.startsWith("data:")) {
                this.#data.push(value(line, 5));
            }
        }
    }
    /** The next whole line. A carriage return at the very end may be half of an ending. */
    #line() {
        const end = this.#rest.search(/\r|\n/);
        if (end < 0 || (this.#rest[end] === "\r" && end === this.#rest.length - 1))
            return null;
        const line = this.#rest.slice(0, end);
        this.#rest = this.#rest.slice(this.#rest.startsWith("\r\n", end) ? end + 2 : end + 1);
        return line;
    }
}
function value(line, from) {
    return line.slice(line[from] === " " ? from + 1 : from);
}
