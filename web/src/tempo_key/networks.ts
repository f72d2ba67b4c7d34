/** The bundled networks for tempo and key, in ONNX Runtime; made ready when they are first needed. */

import type { InferenceSession, TypedTensor } from "onnxruntime-web";
import * as ort from "onnxruntime-web/wasm";

export class Networks {
  private readonly sessions = new Map<string, Promise<InferenceSession>>();

  constructor(
    private readonly tempoModel: Uint8Array,
    private readonly keyModel: Uint8Array,
  ) {}

  /** Of each tempo, and last of no clear beat; from tempograms (nSegments, 12, 161). */
  tempoProbabilities(tempograms: Float32Array, nSegments: number): Promise<Float32Array> {
    const dims = [1, nSegments, 12, 161];
    return this.probabilities(this.tempoModel, "tempograms", new ort.Tensor("float32", tempograms, dims));
  }

  /** Of the major keys from C, then of the minor keys; from pitches (nSteps, 66). */
  keyProbabilities(pitches: Float32Array, nSteps: number): Promise<Float32Array> {
    return this.probabilities(this.keyModel, "pitches", new ort.Tensor("float32", pitches, [1, nSteps, 66]));
  }

  private async probabilities(
    model: Uint8Array,
    name: string,
    features: TypedTensor<"float32">,
  ): Promise<Float32Array> {
    let session = this.sessions.get(name);
    if (!session) {
      session = ort.InferenceSession.create(model);
      this.sessions.set(name, session);
    }
    const { probabilities } = await (await session).run({ [name]: features }, ["probabilities"]);
    return (await probabilities!.getData()) as Float32Array;
  }
}
