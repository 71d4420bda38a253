/*
 * exif_tags.c
 *	  The names of tags, as exiftool has them.
 */
#include "c.h"

#include "ingest/exif_walk.h"

typedef struct TagName
{
	uint16		tag;
	const char *name;
} TagName;

static const TagName ifd0_names[] = {
	{0x0100, "ImageWidth"}, {0x0101, "ImageHeight"},
	{0x0102, "BitsPerSample"}, {0x0103, "Compression"},
	{0x0106, "PhotometricInterpretation"}, {0x010e, "ImageDescription"},
	{0x010f, "Make"}, {0x0110, "Model"}, {0x0112, "Orientation"},
	{0x0115, "SamplesPerPixel"}, {0x011a, "XResolution"},
	{0x011b, "YResolution"}, {0x0128, "ResolutionUnit"},
	{0x0131, "Software"}, {0x0132, "ModifyDate"}, {0x013b, "Artist"},
	{0x013c, "HostComputer"}, {0x0213, "YCbCrPositioning"},
	{0x4746, "Rating"}, {0x8298, "Copyright"}, {0xc612, "DNGVersion"},
	{0xc614, "UniqueCameraModel"}, {0xc62f, "CameraSerialNumber"},
};

static const TagName exif_names[] = {
	{0x829a, "ExposureTime"}, {0x829d, "FNumber"},
	{0x8822, "ExposureProgram"}, {0x8827, "ISO"},
	{0x8830, "SensitivityType"}, {0x8831, "StandardOutputSensitivity"},
	{0x8832, "RecommendedExposureIndex"}, {0x9000, "ExifVersion"},
	{0x9003, "DateTimeOriginal"}, {0x9004, "CreateDate"},
	{0x9010, "OffsetTime"}, {0x9011, "OffsetTimeOriginal"},
	{0x9012, "OffsetTimeDigitized"}, {0x9102, "CompressedBitsPerPixel"},
	{0x9201, "ShutterSpeedValue"}, {0x9202, "ApertureValue"},
	{0x9203, "BrightnessValue"}, {0x9204, "ExposureCompensation"},
	{0x9205, "MaxApertureValue"}, {0x9206, "SubjectDistance"},
	{0x9207, "MeteringMode"}, {0x9208, "LightSource"}, {0x9209, "Flash"},
	{0x920a, "FocalLength"}, {0x9214, "SubjectArea"},
	{0x9290, "SubSecTime"}, {0x9291, "SubSecTimeOriginal"},
	{0x9292, "SubSecTimeDigitized"}, {0xa000, "FlashpixVersion"},
	{0xa001, "ColorSpace"}, {0xa002, "ExifImageWidth"},
	{0xa003, "ExifImageHeight"}, {0xa20e, "FocalPlaneXResolution"},
	{0xa20f, "FocalPlaneYResolution"},
	{0xa210, "FocalPlaneResolutionUnit"}, {0xa215, "ExposureIndex"},
	{0xa217, "SensingMethod"}, {0xa401, "CustomRendered"},
	{0xa402, "ExposureMode"}, {0xa403, "WhiteBalance"},
	{0xa404, "DigitalZoomRatio"}, {0xa405, "FocalLengthIn35mmFormat"},
	{0xa406, "SceneCaptureType"}, {0xa407, "GainControl"},
	{0xa408, "Contrast"}, {0xa409, "Saturation"}, {0xa40a, "Sharpness"},
	{0xa40c, "SubjectDistanceRange"}, {0xa420, "ImageUniqueID"},
	{0xa430, "OwnerName"}, {0xa431, "SerialNumber"}, {0xa432, "LensInfo"},
	{0xa433, "LensMake"}, {0xa434, "LensModel"},
	{0xa435, "LensSerialNumber"},
};

static const TagName gps_names[] = {
	{0, "GPSVersionID"}, {1, "GPSLatitudeRef"}, {2, "GPSLatitude"},
	{3, "GPSLongitudeRef"}, {4, "GPSLongitude"}, {5, "GPSAltitudeRef"},
	{6, "GPSAltitude"}, {7, "GPSTimeStamp"}, {8, "GPSSatellites"},
	{9, "GPSStatus"}, {10, "GPSMeasureMode"}, {11, "GPSDOP"},
	{12, "GPSSpeedRef"}, {13, "GPSSpeed"}, {14, "GPSTrackRef"},
	{15, "GPSTrack"}, {16, "GPSImgDirectionRef"}, {17, "GPSImgDirection"},
	{18, "GPSMapDatum"}, {19, "GPSDestLatitudeRef"},
	{20, "GPSDestLatitude"}, {21, "GPSDestLongitudeRef"},
	{22, "GPSDestLongitude"}, {23, "GPSDestBearingRef"},
	{24, "GPSDestBearing"}, {25, "GPSDestDistanceRef"},
	{26, "GPSDestDistance"}, {29, "GPSDateStamp"}, {30, "GPSDifferential"},
	{31, "GPSHPositioningError"},
};

/* See exif_walk.h. */
const char *
trident_exif_tag_name(TridentExifDirectory directory, uint16 tag)
{
	static const struct
	{
		const TagName *names;
		int			count;
	}			directories[] = {
		[TRIDENT_EXIF_IFD0] = {ifd0_names, lengthof(ifd0_names)},
		[TRIDENT_EXIF_EXIF] = {exif_names, lengthof(exif_names)},
		[TRIDENT_EXIF_GPS] = {gps_names, lengthof(gps_names)},
	};

	for (int i = 0; i < directories[directory].count; i++)
	{
		if (directories[directory].names[i].tag == tag)
			return directories[directory].names[i].name;
	}
	return NULL;
}
