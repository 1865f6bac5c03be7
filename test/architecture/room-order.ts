/** One room of an area, with what it holds. */
export interface OrderedRoom {
  readonly name: string;
  /** Files of the room; the first room that matches has the file. */
  readonly files: RegExp;
}

/** The rooms of one area, lowest first: a file imports from its own room and from those before it. */
export interface RoomOrder {
  /** A folder, such as `src/daemon/engine`. */
  readonly area: string;
  readonly rooms: readonly OrderedRoom[];
}
