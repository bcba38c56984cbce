// Nodes as points whose fragment shader cuts out a shape: what a colour says is also said by form.
import { NodeProgram } from "sigma/rendering";
import { floatColor } from "sigma/utils";

const { UNSIGNED_BYTE, FLOAT } = WebGLRenderingContext;

export const SHAPES = ["circle", "square", "diamond", "triangle-up", "triangle-down", "cross"];

const VERTEX = /* glsl */ `
attribute vec4 a_id;
attribute vec4 a_color;
attribute vec4 a_ring;
attribute vec2 a_position;
attribute float a_size;
attribute float a_shape;
uniform float u_sizeRatio;
uniform float u_pixelRatio;
uniform mat3 u_matrix;
varying vec4 v_color;
varying vec4 v_ring;
varying float v_shape;
varying float v_pixel;
const float bias = 255.0 / 254.0;
void main() {
  gl_Position = vec4((u_matrix * vec3(a_position, 1)).xy, 0, 1);
  float size = max(a_size / u_sizeRatio * u_pixelRatio * 2.0, 3.0);
  gl_PointSize = size;
  v_pixel = 1.0 / size;
  v_shape = a_shape;
  v_ring = a_ring;
  #ifdef PICKING_MODE
  v_color = a_id;
  #else
  v_color = a_color;
  #endif
  v_color.a *= bias;
  v_ring.a *= bias;
}`;

const FRAGMENT = /* glsl */ `
precision mediump float;
varying vec4 v_color;
varying vec4 v_ring;
varying float v_shape;
varying float v_pixel;
// How far inside the shape a place is; negative outside. The point is a square from -0.5 to 0.5, y downwards.
float inside(vec2 m) {
  vec2 a = abs(m);
  if (v_shape < 0.5) return 0.5 - length(m);
  if (v_shape < 1.5) return 0.42 - max(a.x, a.y);
  if (v_shape < 2.5) return (0.5 - a.x - a.y) * 0.7071;
  if (v_shape < 4.5) {
    float y = v_shape < 3.5 ? m.y : -m.y;
    return min(0.4 - y, (y + 0.5 - 1.9 * a.x) * 0.46);
  }
  return max(min(0.46 - a.x, 0.16 - a.y), min(0.16 - a.x, 0.46 - a.y));
}
void main() {
  float d = inside(gl_PointCoord - vec2(0.5));
  #ifdef PICKING_MODE
  gl_FragColor = d > 0.0 ? v_color : vec4(0.0);
  #else
  float edge = smoothstep(0.0, v_pixel, d);
  float ring = v_ring.a > 0.0 ? 1.0 - smoothstep(2.0 * v_pixel, 3.0 * v_pixel, d) : 0.0;
  gl_FragColor = mix(vec4(0.0), mix(v_color, v_ring, ring), edge);
  #endif
}`;

export class ShapeProgram extends NodeProgram {
  getDefinition() {
    return {
      VERTICES: 1,
      VERTEX_SHADER_SOURCE: VERTEX,
      FRAGMENT_SHADER_SOURCE: FRAGMENT,
      METHOD: WebGLRenderingContext.POINTS,
      UNIFORMS: ["u_sizeRatio", "u_pixelRatio", "u_matrix"],
      ATTRIBUTES: [
        { name: "a_position", size: 2, type: FLOAT },
        { name: "a_size", size: 1, type: FLOAT },
        { name: "a_shape", size: 1, type: FLOAT },
        { name: "a_color", size: 4, type: UNSIGNED_BYTE, normalized: true },
        { name: "a_ring", size: 4, type: UNSIGNED_BYTE, normalized: true },
        { name: "a_id", size: 4, type: UNSIGNED_BYTE, normalized: true },
      ],
    };
  }

  processVisibleItem(nodeIndex, startIndex, data) {
    const array = this.array;
    array[startIndex++] = data.x;
    array[startIndex++] = data.y;
    array[startIndex++] = data.size;
    array[startIndex++] = Math.max(0, SHAPES.indexOf(data.shape));
    array[startIndex++] = floatColor(data.color);
    array[startIndex++] = floatColor(data.ring || "rgba(0,0,0,0)");
    array[startIndex++] = nodeIndex;
  }

  setUniforms({ sizeRatio, pixelRatio, matrix }, { gl, uniformLocations }) {
    gl.uniform1f(uniformLocations.u_pixelRatio, pixelRatio);
    gl.uniform1f(uniformLocations.u_sizeRatio, sizeRatio);
    gl.uniformMatrix3fv(uniformLocations.u_matrix, false, matrix);
  }
}
