"""What the ray caster's kernels know of scenes, meshes and materials, and of rays under way."""

from __future__ import annotations

import warp as wp

SLOTS = 16  # materials of an instance; a mesh's others take turns with these


@wp.struct
class SceneRecord:
    """What one scene has apart from its instances."""

    eye: wp.vec3
    camera: wp.mat33  # columns: right, up, backwards
    tangent: float  # of half the field of view
    principal: wp.vec2  # point of the camera's axis from the middle, to the right and down, in half
    # widths
    stretch: float  # how much higher than wide a square looks
    focus: float  # distance of the plane in focus, metres
    aperture: float  # radius of the lens, metres; 0 is a pinhole
    light_direction: wp.vec3  # towards the light
    light_colour: wp.vec3
    light_softness: float
    environment: int
    environment_rotation: float
    environment_intensity: float
    exposure: wp.vec3  # of red, green and blue
    seed: int


@wp.struct
class InstanceRecord:
    """One mesh placed in a scene."""

    mesh: int  # -1: no instance
    rotation: wp.mat33
    position: wp.vec3
    scale: float
    label: int
    materials: wp.types.vector(SLOTS, int)  # of the mesh's slots; -1: the mesh's own
    casts_shadow: int
    recolour: wp.mat33  # takes base colours to those that show
    roughness: float  # factor


@wp.struct
class MeshRecord:
    """Where a mesh lies in the shared arrays."""

    id: wp.uint64  # of Warp's own hierarchy; 0 where another library traces the rays
    first_vertex: int
    first_face: int
    first_material: int
    low: wp.vec3  # corners of the box around it
    high: wp.vec3
    texture_density: float  # texture repeats a metre, for the choice of the mip level
    clear_top: int  # 1: faces 0 and 1 are a rectangle that rays from above meet first
    clear_low: wp.vec3  # its corners
    clear_high: wp.vec3


@wp.struct
class MaterialRecord:
    """Parametric PBR material; ``texture`` is -1 or multiplies the base colour."""

    base_colour: wp.vec3
    roughness: float
    metallic: float
    texture: int


@wp.struct
class TextureRecord:
    """Where a texture's mip levels lie in the texel array, largest first."""

    first_texel: int
    width: int
    height: int
    levels: int


@wp.struct
class Assets:
    """All that is uploaded once: meshes, materials, textures and environments."""

    meshes: wp.array(dtype=MeshRecord)
    points: wp.array(dtype=wp.vec3)
    normals: wp.array(dtype=wp.vec3)
    coordinates: wp.array(dtype=wp.vec2)
    faces: wp.array(dtype=wp.vec3i)  # vertices, counted from the mesh's own first
    face_materials: wp.array(dtype=int)
    materials: wp.array(dtype=MaterialRecord)
    textures: wp.array(dtype=TextureRecord)
    texels: wp.array(dtype=wp.vec3h)
    backgrounds: wp.array4d(dtype=wp.vec3h)
    reflections: wp.array4d(dtype=wp.vec3h)
    harmonics: wp.array2d(dtype=wp.vec3)


@wp.struct
class Rays:
    """Rays under way, one a pixel of a list; an entry of each array is a ray's."""

    scene: wp.array(dtype=int)
    pixel: wp.array(dtype=int)  # row times width plus column
    random: wp.array(dtype=wp.uint32)  # state of the pixel's random numbers
    origin: wp.array(dtype=wp.vec3)
    direction: wp.array(dtype=wp.vec3)
    light: wp.array(dtype=wp.vec3)  # towards this ray's point of the light
    distance: wp.array(dtype=float)  # to the nearest hit so far
    instance: wp.array(dtype=int)  # that was hit; -1 for the sky
    face: wp.array(dtype=int)
    weights: wp.array(dtype=wp.vec2)  # barycentric, of the face's first two corners
    normal: wp.array(dtype=wp.vec3)  # of the surface that was hit, towards the ray's origin
    lit_point: wp.array(dtype=wp.vec3)  # where the ray towards the light starts
    shadowed: wp.array(dtype=int)  # 1: in shadow, or turned away from the light
    total: wp.array(dtype=wp.vec3)  # over the samples


def empty_rays(count: int, device: wp.Device) -> Rays:
    """Return room for ``count`` rays, but for ``scene`` and ``pixel``."""
    kinds = {
        "random": wp.uint32, "origin": wp.vec3, "direction": wp.vec3, "light": wp.vec3,
        "distance": wp.float32, "instance": wp.int32, "face": wp.int32, "weights": wp.vec2,
        "normal": wp.vec3, "lit_point": wp.vec3, "shadowed": wp.int32, "total": wp.vec3,
    }  # fmt: skip
    rays = Rays()
    for name, kind in kinds.items():
        setattr(rays, name, wp.empty(count, dtype=kind, device=device))
    return rays
