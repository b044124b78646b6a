/** One event of a stream: the data of an event, or the text of a comment. */
export type ServerEvent = {
    readonly data: string;
} | {
    readonly comment: string;
};
/**
 * Cuts server-sent events out of text that comes in any pieces. Names, ids and retry times are
 * not read. What was not ended by an empty line was not sent whole, and is never given.
 */
export declare class EventReader {
    #private;
    read(piece: string): Generator<ServerEvent>;
}
